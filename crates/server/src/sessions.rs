//! Who callers are: users of IAM by their keys, and sessions of AWS STS, which take their callers to the account of a role.
//!
//! The credentials that STS issues name the role's account in the access key id ([`standin_core::access_key`]), so whatever
//! is called with them happens there. Who the session belongs to is kept until it expires.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use standin_core::{
    Answer, Arn, BoxFuture, Call, CallContext, Fidelity, Handler, OperationError, Registry, access_key,
};
use standin_model::{Document, Fields, Operation, Service, Timestamp};
use standin_state::{Mode, Resources};
use standin_store::tokens::{self, Token};
use standin_store::{Batch, Space, StoreError};

const SERVICE: &str = "sts";
const OPERATIONS: [&str; 7] = [
    "AssumeRole",
    "AssumeRoleWithSAML",
    "AssumeRoleWithWebIdentity",
    "GetSessionToken",
    "GetFederationToken",
    "GetCallerIdentity",
    "GetAccessKeyInfo",
];
/// How long sessions last where the caller does not say: those of roles, and others.
const ROLE_SECONDS: i64 = 3600;
const OTHER_SECONDS: i64 = 43_200;
/// How often a session is stored anew because another call was faster.
const ATTEMPTS_MAX: u32 = 16;

/// Lets sessions be answered here; the rest of STS stays with the registry's fallback.
pub(crate) fn register(registry: &mut Registry, resources: &Arc<Resources>) {
    let sessions = Arc::new(Sessions { resources: resources.clone() });
    for operation in OPERATIONS {
        registry.operation(SERVICE, operation, sessions.clone());
    }
}

/// Answers what STS says of sessions. What it does not know is made up by the model.
struct Sessions {
    resources: Arc<Resources>,
}

/// Who a session acts as.
struct Principal {
    account: String,
    arn: String,
    user_id: String,
}

impl Handler for Sessions {
    fn handle<'a>(&'a self, call: &'a mut Call) -> BoxFuture<'a, Result<Answer, OperationError>> {
        Box::pin(async move {
            let mut answer = self.resources.handle(call).await?;
            let (context, input) = (&call.context, &call.input);
            let output = &mut answer.output;
            match context.operation.name {
                "GetCallerIdentity" => self.identify(context, output).await?,
                "GetAccessKeyInfo" => {
                    let key = input.get("AccessKeyId").and_then(Document::as_str).unwrap_or_default();
                    put(output, "Account", access_key::account_of(key).unwrap_or_else(|| context.account.to_string()));
                }
                _ => self.open(context, input, output).await?,
            }
            answer.fidelity = self.fidelity(context.service, context.operation);
            answer.trace.push(Cow::Borrowed("who the caller is comes from its access key id"));
            Ok(answer)
        })
    }

    fn fidelity(&self, _service: &'static Service, _operation: &'static Operation) -> Fidelity {
        if self.resources.mode(SERVICE) == Mode::Stateless { Fidelity::Synthesized } else { Fidelity::Engine }
    }
}

impl Sessions {
    /// Says who the caller is.
    async fn identify(&self, context: &CallContext, output: &mut Document) -> Result<(), OperationError> {
        let known = match context.access_key.as_deref() {
            Some(key) => self.find(context, key).await.map_err(OperationError::internal)?,
            None => None,
        };
        // Without a session or a user, the account's root: nothing else is known of the key.
        let principal = known.unwrap_or_else(|| Principal {
            account: context.account.to_string(),
            arn: format!("arn:{}:iam::{}:root", context.partition, context.account),
            user_id: context.account.to_string(),
        });
        put(output, "Account", principal.account);
        put(output, "Arn", principal.arn);
        put(output, "UserId", principal.user_id);
        Ok(())
    }

    /// Completes an answer that opens a session, and keeps it.
    async fn open(&self, context: &CallContext, input: &Document, output: &mut Document) -> Result<(), OperationError> {
        let text = |name: &str| input.get(name).and_then(Document::as_str);
        let caller = match context.access_key.as_deref() {
            Some(key) => self.find(context, key).await.map_err(OperationError::internal)?,
            None => None,
        };
        let own_account = context.account.to_string();
        let principal = match (text("RoleArn").and_then(Arn::parse), text("Name")) {
            (Some(role), _) => {
                let account = if role.account.is_empty() { own_account } else { role.account.to_owned() };
                let name = role.resource.rsplit('/').next().unwrap_or_default();
                let session = text("RoleSessionName").unwrap_or("session");
                let arn = format!("arn:{}:sts::{account}:assumed-role/{name}/{session}", context.partition);
                let mut key = context.dice.key("role id");
                key.text(&account).text(role.resource);
                let id = access_key::issue("AROA", &account, &mut key.draw());
                Principal { account, arn, user_id: format!("{id}:{session}") }
            }
            (None, Some(name)) => Principal {
                arn: format!("arn:{}:sts::{own_account}:federated-user/{name}", context.partition),
                user_id: format!("{own_account}:{name}"),
                account: own_account,
            },
            (None, None) => caller.unwrap_or_else(|| Principal {
                arn: format!("arn:{}:iam::{own_account}:root", context.partition),
                user_id: own_account.clone(),
                account: own_account,
            }),
        };
        let mut key = context.key("session");
        key.text(&context.request_id);
        let id = access_key::issue(access_key::TEMPORARY, &principal.account, &mut key.draw());
        let is_role = text("RoleArn").is_some();
        let seconds = input.get("DurationSeconds").and_then(Document::as_i64);
        let seconds = seconds.unwrap_or(if is_role { ROLE_SECONDS } else { OTHER_SECONDS }).max(0);
        let lasts = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
        let expires_ms = context.now.as_millis().saturating_add(i64::try_from(lasts.as_millis()).unwrap_or(i64::MAX));
        if let Some(credentials) = output.as_map_mut().and_then(|fields| fields.get_mut("Credentials")) {
            put(credentials, "AccessKeyId", id.clone());
            put(credentials, "Expiration", Timestamp::from_millis(expires_ms));
        }
        for (member, id_member) in [("AssumedRoleUser", "AssumedRoleId"), ("FederatedUser", "FederatedUserId")] {
            if let Some(user) = output.as_map_mut().and_then(|fields| fields.get_mut(member)) {
                put(user, "Arn", principal.arn.clone());
                put(user, id_member, principal.user_id.clone());
            }
        }
        if self.resources.mode(SERVICE) == Mode::Stateless {
            return Ok(());
        }
        self.keep(context, &id, &principal, expires_ms).await.map_err(OperationError::internal)
    }

    async fn find(&self, context: &CallContext, key: &str) -> Result<Option<Principal>, StoreError> {
        if key.starts_with(access_key::LONG_TERM) {
            let keys = Space::new(&context.account, "", "iam").table("AccessKey");
            let user = self.resources.parent_of(&keys, key).await?;
            let account = context.account.to_string();
            return Ok(user.map(|(arn, user_id)| Principal { account, arn, user_id }));
        }
        if !key.starts_with(access_key::TEMPORARY) {
            return Ok(None);
        }
        let known =
            tokens::find(&**self.resources.store(), &space(&context.account), key, context.now.as_millis()).await?;
        let Some(token) = known.token else { return Ok(None) };
        let text = |name: &str| token.result.get(name).and_then(Document::as_str).map(str::to_owned);
        Ok((|| Some(Principal { account: text("account")?, arn: text("arn")?, user_id: text("id")? }))())
    }

    async fn keep(
        &self,
        context: &CallContext,
        key: &str,
        principal: &Principal,
        expires_ms: i64,
    ) -> Result<(), StoreError> {
        let store = &**self.resources.store();
        let space = space(&principal.account);
        let mut fields = Fields::with_capacity(3);
        fields.push("account", principal.account.clone());
        fields.push("arn", principal.arn.clone());
        fields.push("id", principal.user_id.clone());
        let token = Token { fingerprint: String::new(), result: Document::Map(fields), expires_ms };
        for _ in 0..ATTEMPTS_MAX {
            let known = tokens::find(store, &space, key, context.now.as_millis()).await?;
            let mut batch = Batch::default();
            batch.keep_token(&space, key, &known, token.clone());
            match store.commit(batch).await {
                Ok(_) => return Ok(()),
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Conflict)
    }
}

/// Where the sessions of an account are kept.
fn space(account: &str) -> Space {
    Space::new(account, "", SERVICE)
}

fn put(document: &mut Document, name: &'static str, value: impl Into<Document>) {
    if let Document::Map(fields) = document {
        fields.insert(name, value);
    }
}
