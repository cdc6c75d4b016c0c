//! What only the compiler knows: its macros, its folders, and what it has.
//!
//! In flows a call's program and those of its arguments that can matter, out flow the macros it predefines, the folders it
//! searches by itself, and its answers to `__has_attribute` and kin. One run per set of arguments tells the first two and
//! all answers that were asked of another set before; a further question asks all of its file at once.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::Refusal;
use crate::cpp::child::{self, Child, Environment};

/// Wall time of one run.
const TIME: Duration = Duration::from_secs(60);
/// Bytes that a run may print.
const OUTPUT_LIMIT: u64 = 16 << 20;
/// Most questions that are asked.
const MAX_QUESTIONS: usize = 1 << 14;

/// Operators of `#if` and macros that a compiler may or may not have.
pub(super) const MAY_HAVE: [&str; 13] = [
    "__has_include",
    "__has_include_next",
    "__has_attribute",
    "__has_cpp_attribute",
    "__has_c_attribute",
    "__has_builtin",
    "__has_feature",
    "__has_extension",
    "__has_declspec_attribute",
    "__has_warning",
    "__is_identifier",
    "__FILE_NAME__",
    "__COUNTER__",
];

/// What the compiler said under one set of arguments.
#[derive(Debug, Default)]
pub(super) struct Probe {
    /// `#define` lines of its macros.
    pub(super) macros: String,
    /// Which of [`MAY_HAVE`] it has.
    pub(super) has: BTreeSet<&'static str>,
    /// The folders that it searches by itself, in order.
    pub(super) system: Vec<String>,
    /// Whether it is Clang.
    pub(super) is_clang: bool,
    /// Numbers that questions evaluate to.
    answers: Mutex<HashMap<String, i64>>,
}

/// A program, its arguments, and the folder it runs in.
type ProbeKey = (Vec<String>, Vec<String>, std::path::PathBuf);

/// All that was asked of compilers.
#[derive(Debug)]
pub(super) struct Compilers {
    environment: Environment,
    probes: Mutex<HashMap<ProbeKey, Arc<Probe>>>,
    /// Questions that were asked under any set of arguments.
    questions: Mutex<BTreeSet<String>>,
}

impl Compilers {
    pub(super) fn new(environment: Environment) -> Self {
        Compilers {
            environment,
            probes: Mutex::default(),
            questions: Mutex::default(),
        }
    }

    /// What the programs see.
    pub(super) fn environment(&self) -> &Environment {
        &self.environment
    }

    /// What a program says under these arguments.
    ///
    /// # Errors
    /// If it cannot be run or read.
    pub(super) fn probe(
        &self,
        program: &[String],
        rest: &[String],
        cwd: &Path,
    ) -> Result<Arc<Probe>, Refusal> {
        let key = (program.to_vec(), rest.to_vec(), cwd.to_owned());
        // The lock is held over the run, so that threads do not ask the same at once.
        let mut probes = self.probes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = probes.get(&key) {
            return Ok(known.clone());
        }
        let questions: Vec<String> = self.questions().iter().cloned().collect();
        let first = self.run(program, rest, cwd, &questions, true);
        // A question that this compiler cannot read spoils the run; without questions it tells the rest.
        let probe = Arc::new(first.or_else(|_| self.run(program, rest, cwd, &[], true))?);
        probes.insert(key, probe.clone());
        Ok(probe)
    }

    fn questions(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.questions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The number that a question such as `__has_attribute(cold)` evaluates to. All of `others` are asked with it.
    ///
    /// # Errors
    /// If the compiler does not answer.
    pub(super) fn ask(
        &self,
        probe: &Probe,
        call: (&[String], &[String], &Path),
        question: &str,
        others: impl FnOnce() -> Vec<String>,
    ) -> Result<i64, Refusal> {
        let answers = || probe.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(&known) = answers().get(question) {
            return Ok(known);
        }
        let mut questions = others();
        questions.push(question.to_owned());
        {
            let mut known = self.questions();
            if known.len() + questions.len() <= MAX_QUESTIONS {
                known.extend(questions.iter().cloned());
            }
        }
        let (program, rest, cwd) = call;
        let found = self.run(program, rest, cwd, &questions, false);
        let found =
            found.or_else(|_| self.run(program, rest, cwd, &[question.to_owned()], false))?;
        let new = found
            .answers
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        let answer = new.get(question).copied();
        answers().extend(new);
        answer.ok_or_else(|| Refusal(format!("the compiler's answer to {question}")))
    }

    fn run(
        &self,
        program: &[String],
        rest: &[String],
        cwd: &Path,
        questions: &[String],
        is_first: bool,
    ) -> Result<Probe, Refusal> {
        let mut text = String::new();
        if is_first {
            for (number, name) in MAY_HAVE.iter().enumerate() {
                text.push_str(&format!("#ifdef {name}\nkabigate_has {number}\n#endif\n"));
            }
        }
        for (number, question) in questions.iter().enumerate() {
            text.push_str(&format!("kabigate_answer {number} {question}\n"));
        }
        let mut argv = child::argv(program);
        argv.extend(child::argv(rest));
        argv.extend(child::argv(["-E", "-dD", "-v", "-x", "c", "-"]));
        let (finished, out) = child::output(&Child {
            argv: &argv,
            cwd,
            environment: &self.environment,
            stdin: Some(text.as_bytes()),
            time: TIME,
            output: OUTPUT_LIMIT,
        })
        .map_err(|error| Refusal(error.to_string()))?;
        if !finished.status.success() {
            return Err(Refusal("the compiler's macros".to_owned()));
        }
        read(
            &String::from_utf8_lossy(&out),
            &String::from_utf8_lossy(&finished.stderr),
            questions,
        )
        .ok_or_else(|| Refusal("the compiler's list of folders".to_owned()))
    }
}

/// Reads what a run printed; `None` if it lists no folders.
fn read(out: &str, err: &str, questions: &[String]) -> Option<Probe> {
    let mut probe = Probe::default();
    let answers = probe
        .answers
        .get_mut()
        .unwrap_or_else(PoisonError::into_inner);
    for line in out.lines() {
        if line.starts_with("#define ") {
            probe.macros.push_str(line);
            probe.macros.push('\n');
            probe.is_clang |= line.starts_with("#define __clang__ ");
        } else if let Some(number) = line.strip_prefix("kabigate_has ") {
            probe.has.extend(
                number
                    .trim()
                    .parse()
                    .ok()
                    .and_then(|at: usize| MAY_HAVE.get(at)),
            );
        } else if let Some(answer) = line.strip_prefix("kabigate_answer ") {
            let (number, value) = answer.split_once(' ')?;
            let question = questions.get(number.parse::<usize>().ok()?)?;
            answers.insert(
                question.clone(),
                value.trim().trim_end_matches(['L', 'l']).parse().ok()?,
            );
        }
    }
    let (_, list) = err.split_once("#include <...> search starts here:\n")?;
    let (list, _) = list.split_once("End of search list.")?;
    probe.system = list
        .lines()
        .map(|line| {
            line.trim()
                .trim_end_matches(" (framework directory)")
                .to_owned()
        })
        .collect();
    Some(probe)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The machine's compiler tells macros, folders and answers, and a further question is asked once.
    #[test]
    fn asks_the_compiler() {
        let home = tempfile::tempdir().unwrap();
        let environment = Environment::new("/usr/local/bin:/usr/bin:/bin", home.path());
        let compilers = Compilers::new(environment);
        let program = vec!["gcc".to_owned()];
        let probe = compilers.probe(&program, &[], home.path()).unwrap();
        assert!(probe.macros.contains("#define __STDC__ 1\n"));
        assert!(probe.has.contains("__has_include"));
        assert!(!probe.system.is_empty());
        let ask = |question: &str| {
            compilers.ask(&probe, (&program, &[], home.path()), question, Vec::new)
        };
        assert_eq!(ask("__has_attribute(__cold__)"), Ok(1));
        assert_eq!(ask("__has_attribute(nothing_like_it)"), Ok(0));
        assert!(ask("__has_attribute").is_err());
        let again = compilers
            .probe(&program, &["-O2".to_owned()], home.path())
            .unwrap();
        assert!(again.macros.contains("#define __OPTIMIZE__ 1\n"));
    }
}
