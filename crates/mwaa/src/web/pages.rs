//! Pages that standin itself shows under the host of an environment.

use bytes::Bytes;
use http::header::{CONTENT_SECURITY_POLICY, HeaderValue, REFERRER_POLICY, RETRY_AFTER};
use http::{Response, StatusCode};

use super::{escaped, response};

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;margin:3em auto;max-width:46em;padding:0 1em}\
                     pre{background:#8882;padding:1em;overflow:auto}button{font:inherit;padding:.4em 1em}";
/// Seconds after which a page looks again whether Airflow is there.
const AGAIN_SECONDS: u32 = 3;

/// Where somebody who has not signed in ends.
pub(super) struct SignIn<'s> {
    pub environment: &'s str,
    pub region: &'s str,
    /// With scheme and port.
    pub site: &'s str,
    /// Where AWS is called.
    pub endpoint: &'s str,
    /// What happened before, in a sentence.
    pub told: &'s str,
    /// Whether a button lets in whoever looks at the page.
    pub button: bool,
    /// Where it goes on after that.
    pub next: &'s str,
}

impl SignIn<'_> {
    pub(super) fn page(&self, status: StatusCode) -> Response<Bytes> {
        let Self { environment, region, site, endpoint, told, button, next } = self;
        let told = if told.is_empty() { String::new() } else { format!("<p id=\"told\">{}</p>\n", escaped(told)) };
        let button = if *button {
            format!(
                "<form method=\"post\" action=\"{path}\"><input type=\"hidden\" name=\"next\" value=\"{next}\">\
                 <button id=\"sign-in\">Sign in as Admin</button> (on this machine only)</form>\n<h2>As somebody else</h2>\n",
                path = super::SIGN_IN,
                next = escaped(next),
            )
        } else {
            String::new()
        };
        let body = format!(
            "{told}{button}<p>A link that signs you in has a token of CreateWebLoginToken, which is good for a minute:</p>\n\
             <pre>aws mwaa create-web-login-token --name {environment} --region {region} --endpoint-url {endpoint}</pre>\n\
             <p>Open this page with its <code>WebToken</code>:</p>\n\
             <pre>{site}/aws_mwaa/aws-console-sso?login=true#WebToken</pre>\n",
            environment = escaped(environment),
            region = escaped(region),
            endpoint = escaped(endpoint),
            site = escaped(site),
        );
        page(status, &format!("Sign in to {environment}"), "", &body)
    }
}

/// The page that a link of the console leads to: its script hands the token behind `#` on, and goes to the first page.
pub(super) fn console(login: &str, home: &str) -> Response<Bytes> {
    let body = format!(
        "<p id=\"told\">One moment …</p>\n<script>\n\
         const told = document.getElementById(\"told\"), token = location.hash.slice(1);\n\
         history.replaceState(null, \"\", location.pathname);\n\
         fetch(\"{login}\", {{method: \"POST\", body: new URLSearchParams({{token}})}}).then(async answer => {{\n\
         \x20 if (answer.ok) location.replace(\"{home}\");\n\
         \x20 else location.replace(\"{path}?told=\" + encodeURIComponent((await answer.json()).message));\n\
         }}).catch(error => {{ told.textContent = error; }});\n</script>\n",
        path = super::SIGN_IN,
    );
    page(StatusCode::OK, "Signing in", "", &body)
}

/// Says that Airflow is not there, and looks again.
pub(super) fn absent(environment: &str, why: &str) -> Response<Bytes> {
    let again = format!("<meta http-equiv=\"refresh\" content=\"{AGAIN_SECONDS}\">");
    let body =
        format!("<p id=\"told\">{}</p>\n<p>This page looks again every {AGAIN_SECONDS} seconds.</p>\n", escaped(why));
    let title = format!("{environment} is not there yet");
    let mut page = page(StatusCode::SERVICE_UNAVAILABLE, &title, &again, &body);
    page.headers_mut().insert(RETRY_AFTER, HeaderValue::from(AGAIN_SECONDS));
    page
}

/// Says that there is nothing for a role.
pub(super) fn forbidden(user: &str, role: &str) -> Response<Bytes> {
    let body = format!(
        "<p id=\"told\">{} has the role {}, which may see nothing of Airflow.</p>\n",
        escaped(user),
        escaped(role)
    );
    page(StatusCode::FORBIDDEN, "Nothing to see", "", &body)
}

/// `head` and `body` are HTML, the title is not.
fn page(status: StatusCode, title: &str, head: &str, body: &str) -> Response<Bytes> {
    let title = escaped(title);
    let text = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         {head}<title>{title}</title><style>{STYLE}</style>\n<h1>{title}</h1>\n{body}</html>\n"
    );
    let mut response = response(status, "text/html; charset=utf-8", text.into());
    let policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; \
                  form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    // Without a referrer at all, forms would be sent without an origin, too.
    response.headers_mut().insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    response
}
