/*
 * The other side of `cargo unik bench net` in the Linux guest: echo on port 7 (UDP and TCP), a sink on TCP port 5001, a source on TCP
 * port 5002, and on TCP port 5003 the memory in use, in KiB. The images `net_echo` and `bulk` do the same.
 *
 * One process and one epoll: what a C programmer would write for a guest with one processor. Takes the listeners' backlog as its argument.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* Descriptors that can be open: 1,000 idle connections and more. */
#define DESCRIPTORS 32768
/* Bytes that are moved by one system call. */
#define CHUNK (256 * 1024)
/* Datagrams that are taken by one system call. */
#define BATCH 16
#define DATAGRAM 2048

enum kind { NONE, DATAGRAMS, LISTEN_ECHO, LISTEN_SINK, LISTEN_SOURCE, LISTEN_MEMORY, ECHO, SINK, SOURCE };

static uint8_t kinds[DESCRIPTORS];
static char chunk[CHUNK];
static int poller;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void watch(int descriptor, enum kind kind, uint32_t events)
{
    struct epoll_event event = { .events = events, .data.fd = descriptor };
    if (descriptor >= DESCRIPTORS || epoll_ctl(poller, EPOLL_CTL_ADD, descriptor, &event) != 0) {
        close(descriptor);
        return;
    }
    kinds[descriptor] = kind;
}

static void end(int descriptor)
{
    kinds[descriptor] = NONE;
    close(descriptor);
}

static void serve(int type, uint16_t port, enum kind kind, int backlog)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
    int yes = 1, descriptor = socket(AF_INET, type | SOCK_NONBLOCK, 0);
    if (descriptor < 0)
        die("socket");
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(descriptor, (struct sockaddr *)&address, sizeof address) != 0)
        die("bind");
    if (type == SOCK_STREAM && listen(descriptor, backlog) != 0)
        die("listen");
    watch(descriptor, kind, EPOLLIN);
}

/* Memory in use as Linux counts it: what is there less what is available. */
static long memory(void)
{
    long total = 0, available = 0;
    char line[128];
    FILE *file = fopen("/proc/meminfo", "r");
    while (file && fgets(line, sizeof line, file)) {
        sscanf(line, "MemTotal: %ld", &total);
        sscanf(line, "MemAvailable: %ld", &available);
    }
    if (file)
        fclose(file);
    return total - available;
}

static void take(int listener, enum kind kind)
{
    int descriptor, yes = 1;
    while ((descriptor = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        switch (kind) {
        case LISTEN_ECHO:
            setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
            watch(descriptor, ECHO, EPOLLIN);
            break;
        case LISTEN_SINK:
            watch(descriptor, SINK, EPOLLIN);
            break;
        case LISTEN_SOURCE:
            watch(descriptor, SOURCE, EPOLLOUT);
            break;
        default:
            dprintf(descriptor, "%ld\n", memory());
            close(descriptor);
        }
    }
}

static void echo_datagrams(int descriptor)
{
    static char bytes[BATCH][DATAGRAM];
    static struct sockaddr_in6 peers[BATCH];
    static struct iovec vectors[BATCH];
    static struct mmsghdr messages[BATCH];
    int count;
    for (int index = 0; index < BATCH; index++) {
        vectors[index] = (struct iovec){ bytes[index], DATAGRAM };
        messages[index].msg_hdr = (struct msghdr){
            .msg_name = &peers[index], .msg_namelen = sizeof peers[index], .msg_iov = &vectors[index], .msg_iovlen = 1 };
    }
    count = recvmmsg(descriptor, messages, BATCH, MSG_DONTWAIT, NULL);
    for (int index = 0; index < count; index++)
        vectors[index].iov_len = messages[index].msg_len;
    if (count > 0)
        sendmmsg(descriptor, messages, count, MSG_DONTWAIT);
}

/* What was received goes back at once. A client that does not read has at most one chunk outstanding, and is let go. */
static void echo_stream(int descriptor)
{
    ssize_t length = recv(descriptor, chunk, sizeof chunk, 0);
    if (length == 0 || (length < 0 && errno != EAGAIN) || (length > 0 && send(descriptor, chunk, length, MSG_NOSIGNAL) != length))
        end(descriptor);
}

static void drain(int descriptor)
{
    ssize_t length = recv(descriptor, chunk, sizeof chunk, 0);
    if (length == 0 || (length < 0 && errno != EAGAIN))
        end(descriptor);
}

static void fill(int descriptor)
{
    if (send(descriptor, chunk, sizeof chunk, MSG_NOSIGNAL) < 0 && errno != EAGAIN)
        end(descriptor);
}

int main(int count, char **words)
{
    static struct epoll_event events[256];
    int backlog = count > 1 ? atoi(words[1]) : 64;
    struct rlimit limit = { DESCRIPTORS, DESCRIPTORS };
    setrlimit(RLIMIT_NOFILE, &limit);
    if ((poller = epoll_create1(0)) < 0)
        die("epoll_create1");
    serve(SOCK_DGRAM, 7, DATAGRAMS, 0);
    serve(SOCK_STREAM, 7, LISTEN_ECHO, backlog);
    serve(SOCK_STREAM, 5001, LISTEN_SINK, backlog);
    serve(SOCK_STREAM, 5002, LISTEN_SOURCE, backlog);
    serve(SOCK_STREAM, 5003, LISTEN_MEMORY, backlog);
    puts("ready: responder");
    fflush(stdout);
    for (;;) {
        int ready = epoll_wait(poller, events, 256, -1);
        for (int index = 0; index < ready; index++) {
            int descriptor = events[index].data.fd;
            enum kind kind = kinds[descriptor];
            switch (kind) {
            case DATAGRAMS: echo_datagrams(descriptor); break;
            case ECHO: echo_stream(descriptor); break;
            case SINK: drain(descriptor); break;
            case SOURCE: fill(descriptor); break;
            case NONE: break;
            default: take(descriptor, kind);
            }
        }
    }
}
