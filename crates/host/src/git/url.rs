//! Where a repository is: paths and URLs of git, as far as they are let through.

use std::fmt;

use super::GitError;

const LENGTH_MAX: usize = 2048;

/// A checked path or URL, without credentials.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Url {
    text: String,
    scheme: Scheme,
    /// In lower case, with the port where there is one; empty for files.
    host: String,
    /// Without `/` at both ends and without `.git` at the end.
    path: String,
}

/// How a repository is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    File,
    Http,
    Https,
    Ssh,
}

/// User and password that stood in a URL, decoded.
pub type Userinfo = (String, String);

impl Url {
    /// Reads `/path`, `file:///path`, `http(s)://host/path`, `ssh://host/path` or `user@host:path`. What stands before the host of an
    /// HTTP URL comes back apart, so that it is in no command line and no message.
    ///
    /// # Errors
    /// [`GitError::Refused`], with what would be right.
    pub fn parse(text: &str) -> Result<(Self, Option<Userinfo>), GitError> {
        let refuse = |why: &str| {
            let shown = without_userinfo(text);
            Err(GitError::Refused(format!("{shown:?} is no repository that can be used: {why}")))
        };
        if text.is_empty() || text.len() > LENGTH_MAX {
            return refuse("it is empty or longer than 2048 characters");
        }
        if text.starts_with('-') || text.chars().any(|c| c.is_control() || c == ' ') {
            return refuse("it begins with - or has blanks or control characters in it");
        }
        if text.starts_with('/') {
            let path = trimmed(text);
            return Ok((Self { text: text.to_owned(), scheme: Scheme::File, host: String::new(), path }, None));
        }
        let Some((scheme, rest)) = text.split_once("://") else { return scp(text).map_or_else(|| refuse(FORMS), Ok) };
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "file" => Scheme::File,
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            "ssh" | "git+ssh" | "ssh+git" => Scheme::Ssh,
            _ => return refuse(FORMS),
        };
        if scheme == Scheme::File {
            let Some(path) = rest.strip_prefix("localhost").or(Some(rest)).filter(|path| path.starts_with('/')) else {
                return refuse("a file URL has three slashes, as in file:///srv/git/infra.git");
            };
            let url =
                Self { text: format!("file://{path}"), scheme, host: String::new(), path: trimmed(&decoded(path)) };
            return Ok((url, None));
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        if !is_host(host) || user.is_some_and(|user| user.starts_with('-')) {
            return refuse("its host is none");
        }
        if path.is_empty() || path.contains(['?', '#']) {
            return refuse("it has no path, or something behind it");
        }
        let host = host.to_ascii_lowercase();
        let name = match scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
            _ => "ssh",
        };
        let (at, userinfo) = match (scheme, user) {
            (_, None) => (String::new(), None),
            // The user of SSH is no secret, and a password would not be taken.
            (Scheme::Ssh, Some(user)) => {
                let user = user.split(':').next().unwrap_or_default();
                (format!("{user}@"), None)
            }
            (_, Some(user)) => {
                let (user, password) = user.split_once(':').unwrap_or((user, ""));
                (String::new(), Some((decoded(user), decoded(password))))
            }
        };
        let url = Self { text: format!("{name}://{at}{host}/{path}"), scheme, host, path: trimmed(&decoded(path)) };
        Ok((url, userinfo))
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// With the port, in lower case; empty for files.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Of the repository, as forges name it: `owner/name`, `group/sub/name`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// `https://host:port`, for HTTP URLs only.
    pub(super) fn origin(&self) -> Option<String> {
        match self.scheme {
            Scheme::Http => Some(format!("http://{}", self.host)),
            Scheme::Https => Some(format!("https://{}", self.host)),
            Scheme::File | Scheme::Ssh => None,
        }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(&self.text)
    }
}

const FORMS: &str = "write /path, file:///path, https://host/path, ssh://user@host/path or user@host:path";

/// `user@host:path`; the user is needed, so that neither `ext::program` nor a relative path is one.
fn scp(text: &str) -> Option<(Url, Option<Userinfo>)> {
    let (at, path) = text.split_once(':')?;
    let (user, host) = at.split_once('@')?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if user.is_empty() || !user.chars().all(plain) || !is_host(host) || host.contains(':') {
        return None;
    }
    if path.is_empty() || path.starts_with([':', '-']) {
        return None;
    }
    let host = host.to_ascii_lowercase();
    let url = Url { text: format!("{user}@{host}:{path}"), scheme: Scheme::Ssh, host, path: trimmed(path) };
    Some((url, None))
}

/// A host name or address, with or without a port.
fn is_host(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, port)) => {
                if address.parse::<std::net::Ipv6Addr>().is_err() {
                    return false;
                }
                ("v6", port.strip_prefix(':'))
            }
            None => return false,
        },
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    !host.is_empty()
        && !host.starts_with('-')
        && host.chars().all(plain)
        && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

fn trimmed(path: &str) -> String {
    let path = path.trim_matches('/');
    path.strip_suffix(".git").unwrap_or(path).trim_end_matches('/').to_owned()
}

/// Undoes `%41`; what is none stays as it is.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let digits = tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.filter(|_| *first == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A text that may be a URL, for messages.
fn without_userinfo(text: &str) -> String {
    match text.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once('@')?))) {
        Some((scheme, (_, rest))) => format!("{scheme}://{rest}"),
        None => text.to_owned(),
    }
}

/// Whether a text can be the name of a branch: git's rules for references.
pub fn is_branch(name: &str) -> bool {
    let forbidden = |c: char| c.is_control() || " ~^:?*[\\\u{7f}".contains(c);
    !name.is_empty()
        && name.len() <= 244
        && name != "@"
        && name != "HEAD"
        && !name.starts_with(['-', '/'])
        && !name.ends_with(['/', '.'])
        && !name.contains("..")
        && !name.contains("//")
        && !name.contains("@{")
        && !name.contains(forbidden)
        && !name.split('/').any(|part| part.starts_with('.') || part.ends_with(".lock"))
}

/// Whether a text is a path inside of a repository that may be written and read: relative, of plain parts.
pub fn is_path(path: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && part != "."
            && part != ".."
            && !part.eq_ignore_ascii_case(".git")
            && part.len() <= 255
            && !part.contains(['\\', '\0'])
            && !part.contains(char::is_control)
    };
    path.len() <= 4096 && path.split('/').all(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: (&str, Scheme, &str, &str)) {
        let (url, _) = Url::parse(text).unwrap();
        assert_eq!((url.as_str(), url.scheme(), url.host(), url.path()), expect, "{text}");
    }

    #[test]
    fn every_form_is_read() {
        check("/srv/git/infra.git", ("/srv/git/infra.git", Scheme::File, "", "srv/git/infra"));
        check("file:///srv/git/infra.git/", ("file:///srv/git/infra.git/", Scheme::File, "", "srv/git/infra"));
        check("file://localhost/srv/x", ("file:///srv/x", Scheme::File, "", "srv/x"));
        check(
            "HTTPS://Git.Example:8443/a/b.git",
            ("https://git.example:8443/a/b.git", Scheme::Https, "git.example:8443", "a/b"),
        );
        check("http://[::1]:3000/a/b", ("http://[::1]:3000/a/b", Scheme::Http, "[::1]:3000", "a/b"));
        check("ssh://git@host:2222/a/b.git", ("ssh://git@host:2222/a/b.git", Scheme::Ssh, "host:2222", "a/b"));
        check("git@github.com:a/b.git", ("git@github.com:a/b.git", Scheme::Ssh, "github.com", "a/b"));
        check(
            "https://host/group/sub%20x/name",
            ("https://host/group/sub%20x/name", Scheme::Https, "host", "group/sub x/name"),
        );
    }

    #[test]
    fn credentials_of_a_url_come_apart() {
        let (url, userinfo) = Url::parse("https://me:p%40ss@host/a/b").unwrap();
        assert_eq!(url.as_str(), "https://host/a/b");
        assert_eq!(userinfo, Some(("me".into(), "p@ss".into())));
        let error = Url::parse("gopher://me:secret@host/a").unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
    }

    #[test]
    fn what_could_run_something_else_is_refused() {
        for text in [
            "",
            "ext::sh -c touch% /tmp/x",
            "ext::sh",
            "fd::17",
            "--upload-pack=touch /tmp/x",
            "-oProxyCommand=x",
            "ssh://-oProxyCommand=x/a",
            "ssh://-u@host/a",
            "-u@host:a",
            "u@-host:a",
            "u@host:-a",
            "u@host::a",
            "relative/path",
            "../up",
            "C:\\git",
            "git://host/a",
            "ftp://host/a",
            "https://host",
            "https://ho st/a",
            "https://host:x/a",
            "https://host/a?b",
            "https://[::x]/a",
            "file://host/a",
            "file://",
            "https://host/a\nb",
            "transport::https://host/a",
        ] {
            assert!(matches!(Url::parse(text), Err(GitError::Refused(_))), "{text:?}");
        }
    }

    #[test]
    fn names_of_branches_are_those_of_git() {
        for name in ["main", "feature/x-1", "release/1.2", "日本語", "a%b", "a@b", "a#b;c'd\"e$f`g&h|i", "@x"] {
            assert!(is_branch(name), "{name:?}");
        }
        for name in [
            "", "-x", "--force", "a..b", "a b", "a:b", "a~1", "a^", "a?", "a*", "a[b", "a\\b", "/a", "a/", "a//b",
            ".a", "a/.b", "a.lock", "a.lock/b", "a.", "a@{b", "@", "HEAD", "a\nb", "a\u{7f}", "a\0b",
        ] {
            assert!(!is_branch(name), "{name:?}");
        }
    }

    #[test]
    fn paths_stay_inside() {
        for path in ["a", "a/b.tf", ".proton/deployment-metadata.json", "a b/ü", "..a", "a..b"] {
            assert!(is_path(path), "{path:?}");
        }
        for path in
            ["", "/a", "a/", "a//b", "..", "a/../b", "./a", ".git/config", "a/.GIT/hooks/x", "a\\b", "a\0", "a\nb"]
        {
            assert!(!is_path(path), "{path:?}");
        }
    }
}
