# SPDX-License-Identifier: GPL-2.0-only
# Entry points for people; each one is a script that also works alone.

TREE	?= .build/linux
OUT	?= .build/o-x86
TESTS	?= *
GATES	?=
DEBUG	?=
ARCH	?=
BASE	?=
NAMES	?=

INITRD	:= $(OUT)/shell.cpio.gz

.DEFAULT_GOAL := help
.PHONY: help setup setup-more tree refresh series hooks rebase build demo check check-arm64 check-guests quick lint baseline lookups cross bare bisect deb mutate fuzz kcsan shell bench clean

help:
	@echo 'First:'
	@echo '  make demo      boot a stock Debian guest from private memory'
	@echo '  make check     build and run every test (TESTS=GLOB, DEBUG=1)'
	@echo 'Tests:'
	@echo '  make check-arm64   tests on arm64, with KVM in each of its modes (15 min)'
	@echo '  make check-guests  whole guests: Debian's kernels with a private bit, sealed (10 min)'
	@echo '  make quick     only the tests that boot nothing'
	@echo '  make lint      only the static checks (GATES="NAME...")'
	@echo '  make shell     a shell in the patched host; ctrl-a x leaves'
	@echo '  make baseline  every general KVM selftest, unpatched kernel against ours'
	@echo '  make lookups   guests in memory of every kind: arm64, and what the unpatched kernel refuses'
	@echo '  make cross     KVM for riscv64, powerpc, s390 and MIPS builds'
	@echo '  make bare      quick and lint in a Debian 12 with what make setup installs alone'
	@echo '  make bisect    every prefix of the series: builds, warnings, style (1 h)'
	@echo '  make mutate    one fault at a time: is it noticed? (NAMES="GLOB...", 1 h)'
	@echo '  make fuzz      a million random operations against a model (30 min)'
	@echo '  make kcsan     threads that convert, fault and punch, watched for data races (1 h)'
	@echo '  make bench     what it costs, against unpatched 6.1 and mainline 6.12 (30 min)'
	@echo 'Package:'
	@echo "  make deb       Debian's cloud kernel with the series as a .deb (90 min)"
	@echo 'Source:'
	@echo '  make tree      base kernel plus series in .build/linux, branch "series"'
	@echo '  make refresh   fold the commits of that branch back into this repository'
	@echo '  make series    format-patch files for git am'
	@echo '  make hooks     lines added to each base file'
	@echo '  make rebase    a table of every 6.1.y that the archive offers'
	@echo '  make rebase BASE=VERSION   move to another 6.1.y'
	@echo '  make build     host kernel in .build/o-x86'
	@echo 'Housekeeping:'
	@echo '  make setup     install the packages of scripts/packages.txt'
	@echo '  make clean     remove build results; .build/linux and ccache stay'

setup:
	@scripts/setup

setup-more:
	@scripts/setup more

tree refresh series hooks: setup
	@scripts/series $@

rebase: setup
	@$(if $(BASE),scripts/series rebase $(BASE),scripts/campaigns/rebase-table)

build: tree
	@scripts/kbuild -t $(TREE) -o $(OUT)

demo: setup
	@scripts/demo

check: setup
	@scripts/check --tests '$(TESTS)' $(if $(DEBUG),--debug --timeout 7200)

check-arm64: setup-more
	@scripts/check --arch arm64 --tests '$(TESTS)'
	@scripts/check --arch arm64 --tests '$(TESTS)' --append kvm-arm.mode=nvhe
	@scripts/check --arch arm64 --tests '$(TESTS)' --append kvm-arm.mode=protected

check-guests: setup
	@scripts/check --manifest scripts/manifest-guests --smp 1 --tests '$(TESTS)'

quick: setup
	@scripts/check --quick

lint: tree
	@scripts/lint --tree $(TREE) $(GATES)

shell: build
	@scripts/initramfs -o $(INITRD) -m $(OUT)/root
	@scripts/boot --shell -k $(OUT)/arch/x86/boot/bzImage -i $(INITRD)

baseline: setup-more tree
	@scripts/campaigns/baseline $(if $(ARCH),--arch $(ARCH)) --tests '$(TESTS)'
	@scripts/campaigns/baseline --locks

cross: setup-more tree
	@scripts/campaigns/cross

bare: setup-more
	@scripts/bare

lookups: setup-more tree
	@scripts/campaigns/lookups

bisect: setup-more tree
	@scripts/campaigns/bisect

fuzz: setup
	@scripts/check --manifest scripts/manifest-long --timeout 7200

kcsan: setup
	@scripts/check --kcsan --tests '$(TESTS)' --timeout 7200

mutate: setup tree
	@set -f; scripts/mutate $(NAMES)

deb: setup-more tree
	@scripts/deb

bench: setup
	@scripts/campaigns/bench

clean:
	rm -rf .build/o-* .build/lint-* .build/bench .build/bisect .build/baseline .build/deb .build/mutate .build/bare .build/linux-6.12 .build/results
