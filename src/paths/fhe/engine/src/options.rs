//! Options of the command line, read strictly.

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;

use crate::failure::{Failure, Outcome};

/// Options that every command takes.
const COMMON: [&str; 2] = ["threads", "memory-mib"];
/// Options that may stand more than once.
const REPEATED: [&str; 2] = ["value", "input"];
/// Options whose values are secrets: `-` reads them from standard input, one a line, because whoever may list processes sees
/// what stands on a command line.
const SECRET: [&str; 2] = ["value", "values"];
/// Most bytes of standard input.
const MAX_INPUT: u64 = 1 << 16;

/// `--name value` pairs, and the files that stand alone. A failure with no message asks for the usage to be shown.
#[derive(Debug, Default)]
pub struct Options {
    named: HashMap<String, Vec<String>>,
    pub files: Vec<String>,
}

impl Options {
    /// Reads the arguments after the command. `--json` takes no value and is the caller's.
    pub fn read(arguments: Vec<String>) -> Outcome<Self> {
        let mut options = Self::default();
        let mut arguments = arguments.into_iter().filter(|argument| argument != "--json");
        while let Some(argument) = arguments.next() {
            let Some(name) = argument.strip_prefix("--") else {
                options.files.push(argument);
                continue;
            };
            let value = arguments.next().ok_or_else(|| Failure::usage(format!("--{name} takes a value")))?;
            let values = options.named.entry(name.to_owned()).or_default();
            if !values.is_empty() && !REPEATED.contains(&name) {
                return Err(Failure::usage(format!("--{name} stands twice")));
            }
            if SECRET.contains(&name) && value == "-" {
                values.extend(lines_of(std::io::stdin().lock())?);
            } else {
                values.push(value);
            }
        }
        Ok(options)
    }

    /// Refuses options beside the named ones, and another number of files.
    pub fn only(&self, names: &[&str], files: usize) -> Outcome<()> {
        let is_known = |name: &String| names.contains(&name.as_str()) || COMMON.contains(&name.as_str());
        if let Some(unknown) = self.named.keys().find(|name| !is_known(name)) {
            return Err(Failure::usage(format!("unknown option --{unknown}")));
        }
        if self.files.len() == files { Ok(()) } else { Err(Failure::usage("")) }
    }

    /// All values of an option.
    pub fn all(&self, name: &str) -> &[String] {
        self.named.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// The value of an option, which must stand once.
    pub fn text(&self, name: &str) -> Outcome<&str> {
        match self.all(name) {
            [value] => Ok(value),
            _ => Err(Failure::usage("")),
        }
    }

    /// The value of an option as a path.
    pub fn path(&self, name: &str) -> Outcome<&Path> {
        self.text(name).map(Path::new)
    }

    /// The value of an option as a positive number, where it stands.
    pub fn number(&self, name: &str) -> Outcome<Option<u64>> {
        let Some(text) = self.all(name).first() else { return Ok(None) };
        let number = text.parse::<u64>().ok().filter(|number| *number > 0);
        number.map(Some).ok_or_else(|| Failure::usage(format!("--{name} takes a positive number")))
    }
}

/// The lines of a reader.
fn lines_of(reader: impl Read) -> Outcome<Vec<String>> {
    let mut text = String::new();
    let read = reader.take(MAX_INPUT + 1).read_to_string(&mut text);
    if read.is_err() || text.len() as u64 > MAX_INPUT {
        return Err(Failure::usage("standard input wants lines of text, 64 KiB at most"));
    }
    Ok(text.lines().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_come_from_standard_input_line_by_line() {
        assert_eq!(lines_of("u64:5\nu8:7\n".as_bytes()).unwrap(), ["u64:5", "u8:7"]);
        assert!(lines_of([0xff, 0xfe].as_slice()).is_err());
        assert!(lines_of("7".repeat(65_537).as_bytes()).is_err());
    }
}
