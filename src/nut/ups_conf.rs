//! ups.conf.
