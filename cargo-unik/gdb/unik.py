"""Commands for gdb that know what a unik image consists of; for images built with types (cargo unik gdb)."""

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


def main_task_table():
    """The table of tasks: from the newest frame that has an executor."""
    frame = gdb.newest_frame()
    while frame is not None:
        try:
            block = frame.block()
        except RuntimeError:
            block = None
        while block is not None and not block.is_global:
            for symbol in block:
                if not (symbol.is_variable or symbol.is_argument):
                    continue
                if not str(symbol.type).endswith("unik_sched::executor::Executor"):
                    continue
                try:
                    value = symbol.value(frame)
                    if value.type.code == gdb.TYPE_CODE_PTR:
                        value = value.dereference()
                    counted = inner(value["tasks"]["ptr"]).dereference()
                    return counted["value"]
                except (gdb.error, gdb.MemoryError):
                    continue
            block = block.superblock
        frame = frame.older()
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
Log()
