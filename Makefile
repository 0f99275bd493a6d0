# The README's two commands are `make demo` and `make test`; `make` alone lists all.

PREFIX  = /usr
DESTDIR =
SECONDS = 60

CARGO  = cargo
TARGET = $(or $(CARGO_TARGET_DIR),target)
DOC    = $(DESTDIR)$(PREFIX)/share/doc/upsentry
MAN    = $(DESTDIR)$(PREFIX)/share/man

help:
	@echo 'make demo          watch an outage on a simulated UPS; 15 seconds, needs root, sudo or a user namespace'
	@echo 'make test          every test; as root on Debian it first installs what they need'
	@echo 'make build         the daemon, $(TARGET)/release/upsentry'
	@echo 'make install       to $$(DESTDIR)$$(PREFIX), PREFIX=$(PREFIX); after make build'
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

install:
	@test -x $(TARGET)/release/upsentry || { echo 'run `make build` first (not as root, if you like)' >&2; exit 1; }
	for program in upsentry upsentry-tls; do \
		test ! -e $(TARGET)/release/$$program || \
		install -D -m 0755 $(TARGET)/release/$$program $(DESTDIR)$(PREFIX)/sbin/$$program; done
	for page in packaging/man/*.[1-8]; do \
		test ! -e $$page || install -D -m 0644 $$page $(MAN)/man$${page##*.}/$${page##*/}; done
	for file in packaging/*.conf; do \
		test ! -e $$file || install -D -m 0644 $$file $(DOC)/examples/$${file##*/}; done
	for file in packaging/notify/*; do \
		test ! -e $$file || install -D -m 0755 $$file $(DOC)/examples/notify/$${file##*/}; done

clean:
	$(CARGO) clean

.PHONY: help build toolchain test demo bench soak fuzz check-style install clean
