#![allow(missing_docs, dead_code, unused)]
use crate::ipc::legal::Power;
use core::time::Duration;
pub mod server {
    use super::*;
    use crate::nut::known::Known;
    use crate::nut::values::Values;
    #[derive(Clone, Debug)]
    pub struct Settings {
        pub user: Option<String>,
        pub password: Option<crate::nut::Secret>,
        pub ups: String,
        pub primary: bool,
        pub starttls: bool,
        pub poll: Duration,
        pub deadtime: Duration,
        pub wanted: Vec<String>,
    }
    #[derive(Debug)]
    pub struct Server {
        values: Values,
    }
    impl Server {
        pub fn new(s: Settings) -> Server {
            Server { values: Values::new(&[]) }
        }
        pub fn connected(&mut self, now: Duration) {}
        pub fn disconnected(&mut self, now: Duration) {}
        pub fn receive(&mut self, now: Duration, b: &[u8]) -> usize {
            b.len()
        }
        pub fn output(&self) -> &[u8] {
            &[]
        }
        pub fn sent(&mut self, n: usize) {}
        pub fn take_tls(&mut self) -> bool {
            false
        }
        pub fn secured(&mut self, now: Duration) {}
        pub fn hang_up(&self) -> Option<()> {
            None
        }
        pub fn next(&self, now: Duration) -> Option<Duration> {
            None
        }
        pub fn dial(&mut self, now: Duration) -> bool {
            true
        }
        pub fn known(&self) -> Known {
            Known::default()
        }
        pub fn values(&self) -> &Values {
            &self.values
        }
        pub fn force(&mut self, now: Duration) {}
        pub fn trouble(&self) -> Option<&str> {
            None
        }
        pub fn forced(&self) -> bool {
            false
        }
        pub fn logins(&self) -> Option<u32> {
            None
        }
    }
}
pub mod tls {
    #[derive(Debug)]
    pub struct TlsConfig;
    #[derive(Debug)]
    pub struct Tls;
    impl Tls {
        pub fn receive(&mut self, b: &[u8], o: &mut [u8]) -> Result<usize, String> {
            Ok(0)
        }
        pub fn new(c: &TlsConfig, h: &str) -> Result<Tls, String> {
            Ok(Tls)
        }
        pub fn handshaking(&self) -> bool {
            false
        }
        pub fn seal(&mut self, b: &[u8]) -> usize {
            0
        }
        pub fn output(&self) -> &[u8] {
            &[]
        }
        pub fn sent(&mut self, n: usize) {}
    }
}
