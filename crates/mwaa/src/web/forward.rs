//! What a request to Airflow's own web server looks like, and what of its answer reaches the browser.
//!
//! # Invariants
//! - Airflow hears of a visitor from standin alone: whatever a client says about itself is dropped first.
//! - standin's session never reaches Airflow, and Airflow cannot replace it.

use std::net::IpAddr;

use http::header::{AUTHORIZATION, COOKIE, EXPECT, HeaderMap, HeaderName, HeaderValue, LOCATION, SET_COOKIE};

use crate::runtime::Upstream;

/// How the names of headers begin by which standin tells who asks.
const OURS: &str = "x-standin-";
/// What proxies before us say, which nobody here can check.
const OF_PROXIES: &[&str] = &["forwarded", "x-real-ip", "x-forwarded-"];
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// A request that Airflow's own web server is to answer.
#[derive(Clone, Debug)]
pub struct Forward {
    pub upstream: Upstream,
    /// The name of the cookie that standin's session is in.
    pub cookie: &'static str,
    /// The host, with its port, by which the browser knows the web server.
    pub host: String,
    pub secure: bool,
    pub remote: IpAddr,
}

impl Forward {
    /// Makes the headers of a visitor's request those of one to Airflow. Headers of the hop are the caller's.
    pub fn request(&self, headers: &mut HeaderMap) {
        // Web servers in Python take `_` for `-`.
        let said = |name: &HeaderName| {
            let name = name.as_str().replace('_', "-");
            name.starts_with(OURS) || OF_PROXIES.iter().any(|said| name.starts_with(said))
        };
        let dropped: Vec<HeaderName> = headers.keys().filter(|name| said(name)).cloned().collect();
        for name in dropped.iter().chain(&[AUTHORIZATION, EXPECT]) {
            headers.remove(name);
        }
        let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let cookies = cookies.flat_map(|line| line.split(';')).map(str::trim).filter(|pair| !pair.is_empty());
        let kept: Vec<&str> = cookies.filter(|pair| pair.split('=').next() != Some(self.cookie)).collect();
        let kept = HeaderValue::from_str(&kept.join("; ")).ok().filter(|kept| !kept.is_empty());
        match kept {
            Some(kept) => drop(headers.insert(COOKIE, kept)),
            None => drop(headers.remove(COOKIE)),
        }
        headers.insert(FORWARDED_PROTO, HeaderValue::from_static(if self.secure { "https" } else { "http" }));
        for (name, text) in [(FORWARDED_HOST, self.host.clone()), (FORWARDED_FOR, self.remote.to_string())] {
            if let Ok(value) = HeaderValue::from_str(&text) {
                headers.insert(name, value);
            }
        }
        for (name, value) in &self.upstream.headers {
            headers.insert(name, value.clone());
        }
    }

    /// Makes the headers of Airflow's answer those of one to the browser.
    pub fn response(&self, headers: &mut HeaderMap) {
        let cookies: Vec<HeaderValue> =
            headers.get_all(SET_COOKIE).iter().filter_map(|cookie| self.set_cookie(cookie)).collect();
        headers.remove(SET_COOKIE);
        for cookie in cookies {
            headers.append(SET_COOKIE, cookie);
        }
        let place = headers.get(LOCATION).and_then(|place| place.to_str().ok()).and_then(|place| self.location(place));
        if let Some(place) = place.and_then(|place| HeaderValue::from_str(place).ok()) {
            headers.insert(LOCATION, place);
        }
    }

    /// A cookie of Airflow's as the browser gets it; none where it would replace the session.
    fn set_cookie(&self, cookie: &HeaderValue) -> Option<HeaderValue> {
        let text = cookie.to_str().ok()?;
        if text.split(['=', ';']).next().is_some_and(|name| name.trim() == self.cookie) {
            return None;
        }
        let marked = text.split(';').any(|part| part.trim().eq_ignore_ascii_case("secure"));
        if self.secure && !marked {
            return HeaderValue::from_str(&format!("{text}; Secure")).ok();
        }
        Some(cookie.clone())
    }

    /// The path of a redirect to the web server itself, whatever it takes for its own name and scheme.
    fn location<'l>(&self, place: &'l str) -> Option<&'l str> {
        let rest = place.strip_prefix("http://").or(place.strip_prefix("https://"))?;
        let at = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(at);
        let names = [
            self.host.clone(),
            self.upstream.address.to_string(),
            format!("localhost:{}", self.upstream.address.port()),
        ];
        let itself = names.iter().any(|name| name.eq_ignore_ascii_case(authority));
        itself.then_some(if path.starts_with('/') { path } else { "/" })
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    fn forward(secure: bool) -> Forward {
        let name = HeaderName::from_static("x-standin-user");
        Forward {
            upstream: Upstream {
                address: SocketAddr::from(([127, 0, 0, 1], 9)),
                headers: vec![(name, HeaderValue::from_static("alice"))],
            },
            cookie: "session",
            host: "e.localhost:4566".into(),
            secure,
            remote: IpAddr::from([127, 0, 0, 1]),
        }
    }

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name.parse::<HeaderName>().expect("a name"), value.parse().expect("a value"));
        }
        headers
    }

    fn text(headers: &HeaderMap) -> Vec<String> {
        let mut lines: Vec<String> =
            headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().expect("text"))).collect();
        lines.sort();
        lines
    }

    #[test]
    fn only_standin_says_who_asks() {
        let mut given = headers(&[
            ("x-standin-user", "mallory"),
            ("x-standin-role", "Admin"),
            ("x_standin_secret", "guess"),
            ("x-standin_role", "Admin"),
            ("authorization", "Bearer token"),
            ("x-forwarded-for", "10.0.0.1"),
            ("forwarded", "for=10.0.0.1"),
            ("cookie", "session=token; theme=dark"),
            ("cookie", "airflow_session=1"),
            ("accept", "text/html"),
        ]);
        forward(true).request(&mut given);
        assert_eq!(
            text(&given),
            [
                "accept: text/html",
                "cookie: theme=dark; airflow_session=1",
                "x-forwarded-for: 127.0.0.1",
                "x-forwarded-host: e.localhost:4566",
                "x-forwarded-proto: https",
                "x-standin-user: alice",
            ]
        );
        let mut given = headers(&[("cookie", "session=token")]);
        forward(false).request(&mut given);
        assert_eq!(given.get(COOKIE), None);
    }

    fn check_location(place: &str, expect: &str) {
        let mut answer = headers(&[("location", place)]);
        forward(false).response(&mut answer);
        assert_eq!(answer[LOCATION], expect, "{place}");
    }

    #[test]
    fn redirects_stay_at_the_host_of_the_browser() {
        check_location("http://127.0.0.1:9/home?a=1", "/home?a=1");
        check_location("https://E.localhost:4566/home", "/home");
        check_location("http://localhost:9", "/");
        check_location("http://localhost:9?a", "/");
        check_location("/home", "/home");
        check_location("https://airflow.apache.org/docs", "https://airflow.apache.org/docs");
        check_location("https://e.localhost:4566.evil.example/", "https://e.localhost:4566.evil.example/");
    }

    #[test]
    fn cookies_fit_the_scheme_and_leave_the_session_alone() {
        for (secure, expect) in [(false, "airflow_session=1; Path=/"), (true, "airflow_session=1; Path=/; Secure")] {
            let mut answer =
                headers(&[("set-cookie", "session=; Max-Age=0"), ("set-cookie", "airflow_session=1; Path=/")]);
            forward(secure).response(&mut answer);
            let cookies: Vec<_> = answer.get_all(SET_COOKIE).iter().collect();
            assert_eq!(cookies, [expect]);
        }
    }
}
