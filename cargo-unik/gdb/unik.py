"""Commands for gdb that know what a unik image consists of; for images built with types (cargo unik gdb)."""

import ipaddress
import re
import struct

import gdb

# More are not walked through, whatever the memory says.
TASKS_MAX = 4096
RECORDS_MAX = 4096
LEVELS = ["?", "ERROR", "WARN", "INFO", "DEBUG", "TRACE"]
HEADER = 12


def text(value):
    """What a &str says."""
    length = int(value["length"])
    if length == 0 or length > 4096:
        return ""
    return bytes(gdb.selected_inferior().read_memory(int(value["data_ptr"]), length)).decode("utf-8", "replace")


def inner(value):
    """What is inside of cells: the only field of a struct, as long as there is just one that has a size."""
    while value.type.strip_typedefs().code == gdb.TYPE_CODE_STRUCT:
        fields = [field for field in value.type.fields() if field.type.sizeof > 0]
        if len(fields) != 1:
            return value
        value = value[fields[0].name]
    return value


def variables():
    """The variables of all functions that are being executed, the newest first, each with its frame."""
    frame = gdb.newest_frame()
    while frame is not None:
        try:
            block = frame.block()
        except RuntimeError:
            block = None
        while block is not None and not block.is_global:
            for symbol in block:
                if (symbol.is_variable or symbol.is_argument) and symbol.needs_frame:
                    yield symbol, frame
            block = block.superblock
        frame = frame.older()


def main_task_table():
    """The table of tasks: from the newest frame that has an executor."""
    for symbol, frame in variables():
        if not str(symbol.type).endswith("unik_sched::executor::Executor"):
            continue
        try:
            value = symbol.value(frame)
            if value.type.code == gdb.TYPE_CODE_PTR:
                value = value.dereference()
            return inner(value["tasks"]["ptr"]).dereference()["value"]
        except (gdb.error, gdb.MemoryError):
            continue
    raise gdb.GdbError("no executor runs here: go on until main does, with 'break ...' and 'continue'")


class Tasks(gdb.Command):
    """unik-tasks: what each task is called, how often it was polled, and what it waits for."""

    def __init__(self):
        super().__init__("unik-tasks", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        slots = main_task_table()["slots"]["value"]["value"]
        count = min(int(slots["len"]), TASKS_MAX)
        start = int(inner(slots["buf"]["inner"]["ptr"]))
        task = gdb.lookup_type("unik_sched::task::Task")
        pointer = gdb.lookup_type("usize")
        print("%4s  %-16s  %8s  %s" % ("ID", "NAME", "POLLS", "WAITS-FOR"))
        for index in range(count):
            # An empty slot is a null pointer; a full one leads to two counts with the task behind them.
            counted = int(gdb.Value(start + 8 * index).cast(pointer.pointer()).dereference())
            if counted == 0:
                continue
            it = gdb.Value(counted + 2 * pointer.sizeof).cast(task.pointer()).dereference()
            note = it["waits_for"]["value"]["value"]
            raw = bytes(gdb.selected_inferior().read_memory(int(note.address), 16))
            address, length = struct.unpack("<QQ", raw)
            waits = "event"
            if address != 0 and length < 256:
                waits = bytes(gdb.selected_inferior().read_memory(address, length)).decode("utf-8", "replace")
            name = text(it["name"]["value"]["value"])
            print("%4d  %-16s  %8d  %s" % (int(inner(it["id"])), name, int(inner(it["polls"])), waits))


# What unik-sockets looks for, by the name of its type without parameters, and how it is told: all that it knows of a network
# stack. Where one is kept is found by a walk through whatever the tasks hold, so no table is named here.
SOCKETS = [
    (
        re.compile(r"unik_net::udp::(\w+::)*Bound"),
        lambda it: ("udp", int(it["queue"]["payload_ring"]["length"]), 0, "0.0.0.0:%d" % int(it["port"]), "-", "OPEN"),
    ),
    (
        re.compile(r"unik_net::datagram::(\w+::)*Entry"),
        lambda it: ("udp", 0, 0, "0.0.0.0:%d" % int(it["port"]), "-", "OPEN"),
    ),
    (
        re.compile(r"unik_net::tcp::(\w+::)*Listener"),
        lambda it: ("tcp", 0, 0, "0.0.0.0:%d" % int(it["port"]), "-", "LISTEN"),
    ),
    (
        re.compile(r"smoltcp::socket::tcp::Socket"),
        lambda it: ("tcp", *queues(it["rx_buffer"], it["tx_buffer"]), *tcp_ends(it), variant(it["state"])),
    ),
]
# Things that a walk looks at, and elements of one list.
THINGS_MAX = 200000
ELEMENTS_MAX = 65536


def variant(value):
    """The name of an enum's variant, in capitals as netstat has it."""
    if value.type.strip_typedefs().code == gdb.TYPE_CODE_STRUCT:
        name = next(field.name for field in value.type.fields() if not field.artificial)
    else:
        name = str(value)
    name = name.rsplit("::", 1)[-1]
    return re.sub(r"(?<=[a-z])(?=[A-Z0-9])", "-", name).upper()


def some(value):
    """What an Option holds, or None."""
    field = next(field for field in value.type.fields() if not field.artificial)
    return value[field]["__0"] if field.name == "Some" else None


def queues(received, sent):
    return int(received["length"]), int(sent["length"])


def raw(value):
    return bytes(gdb.selected_inferior().read_memory(int(value.address), value.type.sizeof))


def end(value):
    """Address and port, where the address may be any."""
    address = value["addr"]
    if str(address.type).startswith("core::option::Option"):
        address = some(address)
    port = int(value["port"])
    if address is None:
        return "0.0.0.0:%d" % port
    version = next(field for field in address.type.fields() if not field.artificial)
    address = ipaddress.ip_address(raw(address[version]["__0"]))
    return ("%s:%d" if address.version == 4 else "[%s]:%d") % (address, port)


def tcp_ends(socket):
    both = some(socket["tuple"])
    if both is None:
        return end(socket["listen_endpoint"]), "-"
    return end(both["local"]), end(both["remote"])


def has(kind, *names):
    known = [field.name for field in kind.fields()]
    return all(name in known for name in names)


def elements(start, length, kind):
    """So many values behind one another."""
    if kind.strip_typedefs().code == gdb.TYPE_CODE_STRUCT and kind.sizeof > 0:
        for index in range(min(length, ELEMENTS_MAX)):
            yield gdb.Value(start + index * kind.sizeof).cast(kind.pointer()).dereference()


def parts(value):
    """What a value holds or leads to. Of unions nothing: they hold anything."""
    kind = value.type.strip_typedefs()
    if kind.code == gdb.TYPE_CODE_PTR:
        if int(value) != 0 and kind.target().strip_typedefs().code == gdb.TYPE_CODE_STRUCT:
            yield value.dereference()
    elif kind.code == gdb.TYPE_CODE_ARRAY:
        low, high = kind.range()
        if high >= low:
            yield from elements(int(value.address), high - low + 1, kind.target())
    elif kind.code == gdb.TYPE_CODE_STRUCT:
        if has(kind, "pointer", "vtable"):
            # A trait object; gdb knows from its table of functions what it is.
            gdb.set_convenience_variable("unik_object", value)
            yield gdb.parse_and_eval("*$unik_object")
        elif has(kind, "data_ptr", "length"):
            yield from elements(int(value["data_ptr"]), int(value["length"]), value["data_ptr"].type.target())
        elif has(kind, "buf", "len"):
            start = int(inner(value["buf"]["inner"]["ptr"]))
            yield from elements(start, int(value["len"]), kind.template_argument(0))
        else:
            for field in kind.fields():
                if not field.artificial and field.type.sizeof > 0:
                    yield value[field]


def found(roots, wanted):
    """Everything of the wanted types that the roots lead to, once each."""
    seen, waiting = set(), list(roots)
    while waiting and len(seen) < THINGS_MAX:
        value = waiting.pop()
        try:
            name = value.type.strip_typedefs().name
            place = (int(value.address) if value.address is not None else None, name)
            if place in seen:
                continue
            seen.add(place)
            plain = "" if name is None else name.split("<", 1)[0]
            how = next((how for kind, how in wanted if kind.fullmatch(plain)), None)
            if how is not None:
                yield how(value)
            else:
                waiting.extend(parts(value))
        except (gdb.error, gdb.MemoryError, RuntimeError, StopIteration):
            # What is not there, or optimised away, leads nowhere.
            continue


def held():
    """What tasks hold: the variables of the one that runs, and the futures of those that wait."""
    for symbol, frame in variables():
        if "unik_net::" in str(symbol.type):
            try:
                yield symbol.value(frame)
            except gdb.error:
                continue
    yield main_task_table()["slots"]


class Sockets(gdb.Command):
    """unik-sockets: what the network stacks have open, as netstat shows it."""

    def __init__(self):
        super().__init__("unik-sockets", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        print("%-5s  %6s  %6s  %-21s  %-21s  %s" % ("PROTO", "RECV-Q", "SEND-Q", "LOCAL", "REMOTE", "STATE"))
        rows = set(found(held(), SOCKETS))
        for row in sorted(rows, key=lambda row: (row[0] == "tcp", row[4] != "-", row[3:])):
            print("%-5s  %6d  %6d  %-21s  %-21s  %s" % row)


class Log(gdb.Command):
    """unik-log: the last records of the log."""

    def __init__(self):
        super().__init__("unik-log", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        symbol = gdb.lookup_static_symbol("unik_kernel::console::JOURNAL")
        value = symbol.value() if symbol else gdb.parse_and_eval("unik_kernel::console::JOURNAL")
        journal = inner(value["inner"]["data"]) if "inner" in [f.name for f in value.type.fields()] else value
        memory = journal["memory"]
        size = memory.type.sizeof
        memory = bytes(gdb.selected_inferior().read_memory(int(memory.address), size))
        wrap = journal["wrap"]
        raw = bytes(gdb.selected_inferior().read_memory(int(wrap.address), 16))
        present, wrap = struct.unpack("<QQ", raw)
        at, first, end = int(journal["head"]), int(journal["first"]), int(journal["next"])
        for _ in range(min(end - first, RECORDS_MAX)):
            length, target, level, time = struct.unpack_from("<HBBQ", memory, at)
            if length < HEADER + target or at + length > size:
                raise gdb.GdbError("the journal is damaged")
            words = memory[at + HEADER : at + length].decode("utf-8", "replace")
            level = LEVELS[level] if level < len(LEVELS) else "?"
            print("[%12.6f] %-5s %s: %s" % (time / 1e9, level, words[:target], words[target:]))
            at += length
            if present & 1 and at >= wrap:
                at = 0


Tasks()
Sockets()
Log()
