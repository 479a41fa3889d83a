//! What a guest and its QEMU say, passed on to the user as it comes.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::Child;
use std::thread::JoinHandle;

use crate::epitaph::Interpreter;
use crate::symbols::Symbols;

/// The longest line of the console that is looked at for addresses, in bytes; a longer one is only shown.
pub(crate) const MAX_LINE: usize = 16 * 1024;

/// Passes QEMU's own words on; the thread ends with QEMU and tells whether there were any.
pub(crate) fn complaints(qemu: &mut Child) -> JoinHandle<bool> {
    let words = qemu.stderr.take();
    std::thread::spawn(move || {
        let mut complained = false;
        for line in
            words.into_iter().flat_map(|words| BufReader::new(words).lines()).map_while(std::io::Result::ok)
        {
            if !line.contains("terminating on signal") {
                complained = true;
                eprintln!("{line}");
            }
        }
        complained
    })
}

/// Passes the console on as it comes, and names the addresses of an epitaph below its lines. Returns what was
/// learned on the way, and whether there was anything.
pub(crate) fn console(qemu: &mut Child, symbols: Option<&Symbols>) -> (Interpreter, bool) {
    let mut interpreter = Interpreter::new();
    let Some(mut console) = qemu.stdout.take() else { return (interpreter, false) };
    let mut output = std::io::stdout();
    let (mut chunk, mut line, mut spoken) = ([0; 4096], Vec::new(), false);
    while let Ok(length) = console.read(&mut chunk) {
        if length == 0 {
            break;
        }
        spoken = true;
        for part in chunk[..length].split_inclusive(|byte| *byte == b'\n') {
            // Nobody reading our output is no reason to leave QEMU behind.
            let _ = output.write_all(part);
            if line.len() + part.len() <= MAX_LINE {
                line.extend_from_slice(part);
            }
            if !part.ends_with(b"\n") {
                continue;
            }
            for explanation in interpreter.explain(&String::from_utf8_lossy(&line), symbols) {
                let _ = writeln!(output, "{explanation}");
            }
            line.clear();
        }
        let _ = output.flush();
    }
    (interpreter, spoken)
}
