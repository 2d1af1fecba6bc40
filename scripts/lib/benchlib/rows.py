# SPDX-License-Identifier: GPL-2.0-only
"""What is measured, in the order of the table, and what is promised of it."""

from dataclasses import dataclass

from .samples import ratio

OURS, BASE, MAINLINE = "ours", "6.1", "6.12"
NAMES = (OURS, BASE, MAINLINE)


@dataclass(frozen=True)
class Group:
    """Rows under one heading."""
    title: str
    against: str        # the kernel to compare with
    rows: tuple         # (figure, title)


TIMES = (
    Group("Attributes of an idle VM", MAINLINE, (
        ("attrs_4g.private", "4 GiB to private"),
        ("attrs_4g.shared", "4 GiB back to shared"),
        ("attrs_64g.private", "64 GiB to private"),
        ("attrs_64g.shared", "64 GiB back to shared"),
        ("attrs_16t.private", "16 TiB to private"),
        ("attrs_16t.shared", "16 TiB back to shared"),
        ("toggle_4k.unmapped", "4 KiB in a private block, a call"),
        ("alternate_1g.private", "every other page of 1 GiB, a call"),
    )),
    Group("Private guest, for each page", MAINLINE, (
        ("private.first", "first touch"),
        ("private.refault", "touch of an unmapped page"),
        ("private.again", "touch of a mapped page"),
        ("private.prefault", "KVM_PRE_FAULT_MEMORY"),
        ("file.allocate", "fallocate"),
        ("file.punch", "hole punch, unmapped"),
        ("file.punch_mapped", "hole punch, mapped"),
        ("private.teardown", "teardown"),
    )),
    Group("Conversion of mapped pages, for each", MAINLINE, (
        ("toggle_4k.mapped", "4 KiB, two backings"),
        ("toggle_4k.mapped_one", "4 KiB, one backing"),
        ("convert_two.private", "512 MiB to private, two backings"),
        ("convert_two.shared", "512 MiB to shared, two backings"),
        ("convert_one.private", "512 MiB to private, one backing"),
        ("convert_one.shared", "512 MiB to shared, one backing"),
    )),
    Group("Ordinary VM", BASE, (
        ("shared.first", "first touch, a page"),
        ("dirty.on", "dirty logging on, a page"),
        ("dirty.write", "write to a clean page"),
        ("dirty.log", "KVM_GET_DIRTY_LOG, a page"),
        ("dirty.off", "dirty logging off, 16 MiB"),
        ("shared.slot", "memslot added and deleted"),
        ("shared.exit", "exit to userspace and back"),
        ("shared.teardown", "teardown, a page"),
    )),
)

MEMORY = (
    Group("Memory of attributes", MAINLINE, (
        ("attrs_4g.memory", "4 GiB private"),
        ("attrs_64g.memory", "64 GiB private"),
        ("attrs_16t.memory", "16 TiB private"),
        ("alternate_1g.memory", "every other page of 1 GiB private"),
    )),
    Group("Memory of a guest of 512 MiB", MAINLINE, (
        ("convert_two.memory_before", "shared, two backings"),
        ("convert_two.memory_after", "then private, two backings"),
        ("convert_one.memory_before", "shared, one backing"),
        ("convert_one.memory_after", "then private, one backing"),
    )),
)

ORDINARY = tuple(figure for figure, _ in TIMES[-1].rows)
APART = 0.02


def verdict(found, bound):
    """A (ratio, how far off) against "at most BOUND apart"."""
    if not found:
        return "not measured"
    value, off = found
    if abs(value - 1) + off <= bound:
        return "met"
    return "MISSED" if abs(value - 1) - off > bound else "not resolved"


def ordinary(ours, base):
    """[(figure, (ratio, off), verdict)] of an ordinary VM, for one clock."""
    found = []
    for figure in ORDINARY:
        value = ratio(ours.stat(figure), base.stat(figure))
        found.append((figure, value, verdict(value, APART)))
    return found


def resolved(ours, base):
    return all(word != "not resolved" for _, _, word in ordinary(ours, base))


def targets(samples):
    """[(text, figure, bound)]: what the design promises, of {kernel: Samples}."""
    def of(kernel, figure):
        found = samples[kernel].stat(figure)
        return found.median if found else None

    def over(a, b):
        return None if a is None or not b else a / b

    return [
        ("64 GiB: time, part of mainline's",
         over(of(OURS, "attrs_64g.private"), of(MAINLINE, "attrs_64g.private")), 1 / 1000),
        ("64 GiB: memory in KiB", over(of(OURS, "attrs_64g.memory"), 1024), 16),
        ("16 TiB: times the 64 GiB figure",
         over(of(OURS, "attrs_16t.private"), of(OURS, "attrs_64g.private")), 8),
        ("4 KiB toggle: times mainline's",
         over(of(OURS, "toggle_4k.unmapped"), of(MAINLINE, "toggle_4k.unmapped")), 1.2),
        ("every other page: memory, times mainline's",
         over(of(OURS, "alternate_1g.memory"), of(MAINLINE, "alternate_1g.memory")), 1),
        ("512 MiB in one backing: memory after, times before",
         over(of(OURS, "convert_one.memory_after"), of(OURS, "convert_one.memory_before")),
         1.02),
    ]
