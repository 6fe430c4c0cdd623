//! The script of a job: all its commands in one session of a shell.

use super::first_line;

/// The script itself, and the commands that it reads.
pub const SCRIPT: &str = "session.sh";
/// Where it notes which command is under way.
pub const AT: &str = "at";
/// Of a command, in the output.
const COMMAND_CHARS: usize = 200;

/// The files of the script, by their names in `folder`, which is absolute. A POSIX shell runs it, as does bash.
///
/// Each command is read from a file of its own: a mistake in one does not keep those before it from running, and whatever a command
/// holds, nothing has to be quoted.
pub fn files(folder: &str, commands: &[String]) -> Vec<(String, String)> {
    let mut script = String::new();
    let mut files = Vec::new();
    for (index, command) in commands.iter().enumerate() {
        let number = index + 1;
        let name = format!("command-{number}.sh");
        let shown = quoted(&format!("$ {}", first_line(command, COMMAND_CHARS)));
        let (at, path) = (quoted(&format!("{folder}/{AT}")), quoted(&format!("{folder}/{name}")));
        script.push_str(&format!(
            "command printf '%s\\n' {number} >| {at}\ncommand printf '%s\\n' {shown}\n. {path}\n\
             standin_status=$?\nif [ \"$standin_status\" -ne 0 ]; then exit \"$standin_status\"; fi\n"
        ));
        files.push((name, format!("{command}\n")));
    }
    files.push((SCRIPT.to_owned(), script));
    files
}

/// A text as one word of a shell.
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_files_of_the_session() {
        let files = files("/j", &["echo 'it'\necho 2".to_owned(), "exit 3".to_owned()]);
        let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["command-1.sh", "command-2.sh", "session.sh"]);
        assert_eq!(files[0].1, "echo 'it'\necho 2\n");
        assert!(files[2].1.contains(r"command printf '%s\n' '$ echo '\''it'\'' …'"), "{}", files[2].1);
        assert!(files[2].1.contains("\n. '/j/command-2.sh'\n"), "{}", files[2].1);
    }
}
