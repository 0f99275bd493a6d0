# The README's two commands are `make demo` and `make test`; `make` alone lists all.

PREFIX  = /usr
DESTDIR =
INIT    = none
SECONDS = 60

SBINDIR    = $(PREFIX)/sbin
SYSCONFDIR = /etc
MANDIR     = $(PREFIX)/share/man
DOCDIR     = $(PREFIX)/share/doc/upsentry

CARGO  = cargo
TARGET = $(or $(CARGO_TARGET_DIR),target)
BINARY = $(TARGET)/release/upsentry

# Systemd's directories are not below a prefix; the old names hold on a system with one /usr, too.
SYSTEMDDIR = /lib/systemd

help:
	@echo 'make demo          watch an outage on a simulated UPS; 15 seconds, needs root, sudo or a user namespace'
	@echo 'make test          every test; as root on Debian it first installs what they need'
	@echo 'make build         the daemon, $(TARGET)/release/upsentry'
	@echo 'make install       to $$(DESTDIR)$$(PREFIX), PREFIX=$(PREFIX); after make build. With INIT=sysvinit, openrc,'
	@echo '                   runit or systemd (or several) the scripts of that init and /etc/upsentry.conf, too;'
	@echo '                   without, all of them are examples only. Nothing is enabled. Also: SBINDIR, SYSCONFDIR,'
	@echo '                   MANDIR, DOCDIR'
	@echo 'make machine       outages on a whole Debian machine in QEMU, with what happens when; 10 minutes, as root'
	@echo 'make deb           a Debian package of what is committed, in $(TARGET)/deb'
	@echo 'make reproducible  builds that package twice, in two places, and compares; 6 minutes'
	@echo 'make bench         one table of measurements beside their goals; 5 minutes, as root'
	@echo 'make fuzz          each fuzz target for SECONDS=$(SECONDS)'
	@echo 'make soak          random outages, kills and stops for SECONDS=$(SECONDS); as root'
	@echo 'make check-style   formatting and clippy; a warning is an error'
	@echo 'make clean'

build: toolchain
	$(CARGO) build --release --locked

# A toolchain that can build this, or words on how to get one.
toolchain:
	@sh tests/toolchain

test: toolchain
	@sh tests/run

machine: toolchain
	@UPSENTRY_MACHINE=all RUST_TEST_NOCAPTURE=1 sh tests/run --test whole

demo: toolchain
	@sh tests/demo/run

bench: toolchain
	@sh tests/bench/run

soak: toolchain
	@UPSENTRY_SOAK=$(SECONDS) RUST_TEST_NOCAPTURE=1 sh tests/run --test soak

fuzz:
	fuzz/run $(SECONDS)

check-style:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

install: install-files $(addprefix install-,$(INIT))

install-files:
	@test -x $(BINARY) || { echo 'run `make build` first (not as root, if you like)' >&2; exit 1; }
	install -D -m 0755 $(BINARY) $(DESTDIR)$(SBINDIR)/upsentry
	test ! -e $(BINARY)-tls || install -D -m 0755 $(BINARY)-tls $(DESTDIR)$(SBINDIR)/upsentry-tls
	for page in packaging/man/*.[1-8]; do \
		test ! -e $$page || install -D -m 0644 $$page $(DESTDIR)$(MANDIR)/man$${page##*.}/$${page##*/} || exit; done
	for page in README.md docs/*.md; do install -D -m 0644 $$page $(DESTDIR)$(DOCDIR)/$$page || exit; done
	packaging/install examples $(DESTDIR)$(DOCDIR)/examples $(SBINDIR)
	packaging/install completions $(DESTDIR)$(PREFIX)/share

install-none:

install-conf:
	packaging/install conf $(DESTDIR)$(SYSCONFDIR)

install-sysvinit: install-conf
	packaging/install sysvinit "$(DESTDIR)" $(SBINDIR) $(SYSCONFDIR)

install-openrc: install-conf
	packaging/install openrc "$(DESTDIR)" $(SBINDIR) $(SYSCONFDIR)

install-runit: install-conf
	packaging/install runit "$(DESTDIR)" $(SBINDIR) $(SYSCONFDIR)

install-systemd: install-conf
	packaging/install systemd "$(DESTDIR)" $(SBINDIR) $(SYSTEMDDIR)

deb:
	packaging/debian/build $(TARGET)/deb

reproducible: toolchain
	packaging/debian/reproducible $(TARGET)/reproducible

clean:
	$(CARGO) clean

.PHONY: help build toolchain test machine demo bench soak fuzz check-style install install-files install-none install-conf \
	install-sysvinit install-openrc install-runit install-systemd deb reproducible clean
