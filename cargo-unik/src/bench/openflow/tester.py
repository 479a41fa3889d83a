"""Has the switch tester of os-ken say what became of each case, a line for each, and mends what is wrong in it where that is wanted.

The line is "case", "ok" or "failed", the file's title, the title of the case, and why it failed, with tabs between. The words of the
command line before "--" are "repair" and "quick"; those behind it are for os-ken.
"""

import logging
import sys
import time

from os_ken.cmd import manager
from os_ken.lib.packet import sctp

# It collects the classes of packets when it is imported, so what it is to know comes before.
from os_ken.tests.switch import tester

# RFC 9260, appendix A: the polynomial of CRC32c, with its bits turned round.
POLYNOMIAL = 0x82F63B78
# Seconds between two bursts. In a hundredth, which is os-ken's, there are more frames than a socket of Open vSwitch holds.
PAUSE = 0.002
# Seconds for which a rate is measured when there is no time.
QUICK = 10


def checksum(self, data):
    """CRC32c over the octets. The one of os-ken goes over str(data), which in Python 3 is what is printed of them."""
    crc = 0xFFFFFFFF
    for octet in bytes(data):
        crc ^= octet
        for _ in range(8):
            crc = crc >> 1 ^ (POLYNOMIAL if crc & 1 else 0)
    return int.from_bytes((crc ^ 0xFFFFFFFF).to_bytes(4, "little"), "big")


def keep_pace(self, task):
    """Sends as many frames as the clock says, and writes a frame that is always the same once for a whole burst.

    The sender of os-ken writes it anew each time, and waits between two bursts without regard to what they took.
    """
    rate, sent, begin = task["packet_counter_inc"] / tester.CONTINUOUS_THREAD_INTVL, 0, time.monotonic()
    while self.ingress_event is not None and not self.ingress_event._cond:
        tester.hub.sleep(PAUSE)
        due = int((time.monotonic() - begin) * rate)
        if task["randomize"]:
            for _ in range(sent, due):
                frame = eval("/".join(task["packet_text"]), vars(tester))
                frame.serialize()
                self.tester_sw.send_packet_out(frame.data)
        elif due > sent:
            datapath = self.tester_sw.dp
            datapath.send(bytes(message(datapath, self.tester_send_port, task["packet_binary"])) * (due - sent))
        sent = due


def message(datapath, port, data):
    """PACKET_OUT."""
    protocol, parser = datapath.ofproto, datapath.ofproto_parser
    out = parser.OFPPacketOut(
        datapath=datapath,
        buffer_id=protocol.OFP_NO_BUFFER,
        data=data,
        in_port=protocol.OFPP_CONTROLLER,
        actions=[parser.OFPActionOutput(port)],
    )
    datapath.set_xid(out)
    out.serialize()
    return out.buf


class Last(logging.Handler):
    """Keeps the line that the tester wrote last: after a failure it says why."""

    line = ""

    def emit(self, record):
        self.line = record.getMessage()


def keep(patterns, title, file):
    """Keeps a file of cases, also where another one has its title. The one of os-ken would forget that."""
    while title in patterns:
        title += "'"
    dict.__setitem__(patterns, title, file)


def watch(last, seconds):
    """Has each case tell of itself, and those that measure a rate do so for no more than so many seconds."""
    execute = tester.OfTester._test_execute
    title = [""]

    def told(self, test, description):
        title[0] = description or title[0]
        if last not in self.logger.handlers:
            self.logger.addHandler(last)
        for traffic in [one[tester.KEY_PACKETS] for one in test.tests if tester.KEY_PACKETS in one]:
            traffic[tester.KEY_DURATION_TIME] = seconds or traffic[tester.KEY_DURATION_TIME]
        try:
            result = execute(self, test, description)
        except Exception as error:  # An assertion that does not hold would end the tester without a word.
            result, last.line = "Unexpected", "%s %s" % (type(error).__name__, error)
            tester.hub.sleep(0)
        self.waiter = None
        words = ["case", "ok" if result == tester.TEST_OK else "failed", title[0], test.description]
        words.append("" if result == tester.TEST_OK else last.line.strip())
        print("\n" + "\t".join(" ".join(str(word).split()) for word in words), flush=True)
        return result

    tester.OfTester._test_execute = told


def main():
    at = sys.argv.index("--")
    words = sys.argv[1:at]
    if "repair" in words:
        sctp.sctp._checksum = checksum
        tester.OfTester._send_packet_thread = keep_pace
    tester.TestPatterns.__setitem__ = keep
    watch(Last(), QUICK if "quick" in words else None)
    manager.main(sys.argv[at + 1:] + ["os_ken.tests.switch.tester"], "os-ken")


main()
