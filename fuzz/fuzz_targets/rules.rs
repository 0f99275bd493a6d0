//! Any file of rules on any log: rules are read whatever is wrong with them, what was read survives its bytes and a
//! restart, and nothing is left to do after a turn. The same bytes as a program: whatever decodes can be evaluated.

#![no_main]

use std::path::Path;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use upsentry::config::check_rules;
use upsentry::notifier::rules::replayed;
use upsentry::rules::{Compiler, Engine, Program};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(program) = postcard::from_bytes::<Program>(bytes) {
        work(&program);
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    // The rules, and a log behind them.
    let (rules, log) = text.split_once("\n===\n").unwrap_or((text, ""));
    let ups = ["left".to_owned(), "left.1".to_owned(), "ups".to_owned()];
    for names in [&ups[..1], &ups[..]] {
        if let Ok((program, _)) = check_rules(Path::new("rules"), rules, names) {
            let bytes = postcard::to_allocvec(&program).expect("bytes");
            let again: Program = postcard::from_bytes(&bytes).expect("a program");
            assert_eq!(again, program);
            work(&program);
        }
        let mut compiler = Compiler::new(names);
        for (line, number) in rules.split('\n').zip(1..) {
            let length = line.chars().count();
            for one in compiler.line(line, number, 1, true) {
                assert_eq!(one.line, number);
                assert!(one.column > 0 && one.column - 1 + one.width <= length);
                assert!(!one.message.is_empty());
            }
        }
        let (program, _) = compiler.finish();
        work(&program);
    }
    let _ = replayed((Path::new("rules"), rules), (Path::new("log"), log), &[]);
});

/// All variables in turn take values of each kind.
fn work(program: &Program) {
    let mut engine = Engine::new(program);
    let mut now = Duration::from_secs(1);
    for value in [None, Some("20"), Some("OB LB"), Some("-1.5"), None] {
        for variable in program.variables() {
            engine.set(usize::from(variable.ups), &variable.name, value);
        }
        engine.turn(now, &mut |effect| {
            let _ = format!("{effect:?}");
        });
        let next = engine.next(now);
        assert!(next.is_none_or(|at| at > now));
        let left: Vec<u64> = engine.snapshot().collect();
        assert_eq!(left.len(), engine.words());
        let mut other = Engine::new(program);
        assert!(other.restore(now, &left));
        assert!(other.snapshot().eq(left));
        for rule in 0..program.rules().len() {
            let _ = engine.why(rule);
        }
        now = next.unwrap_or(now + Duration::from_secs(1));
    }
}
