"""Signs in whoever standin says is there: nobody else knows the secret.

Every request carries the name, the role and the secret, so that nobody stays signed in longer than with standin."""

import hmac
import os

from airflow.providers.fab.auth_manager.security_manager.override import FabAirflowSecurityManagerOverride
from flask import g, request
from flask_appbuilder.const import AUTH_REMOTE_USER

AUTH_TYPE = AUTH_REMOTE_USER
AUTH_REMOTE_USER_ENV_VAR = "HTTP_X_STANDIN_USER"
AUTH_USER_REGISTRATION = False
WTF_CSRF_ENABLED = True
# `session` is the cookie of standin's session, as on MWAA.
SESSION_COOKIE_NAME = "airflow_session"


def comes_from_standin():
    secret = request.headers.get("X-Standin-Secret", "")
    return hmac.compare_digest(secret.encode(), os.environ["STANDIN_PROXY_SECRET"].encode())


class StandinSecurityManager(FabAirflowSecurityManagerOverride):
    def create_login_manager(self, *app):
        manager = super().create_login_manager(*app)
        manager.request_loader(self.load_visitor)
        return manager

    def load_visitor(self, _request):
        name = request.headers.get("X-Standin-User")
        # Adding a user asks who is there.
        if not name or "standin_loading" in g or not comes_from_standin():
            return None
        g.standin_loading = True
        try:
            role = self.find_role(request.headers.get("X-Standin-Role", "Public"))
            # A request beside this one may add the same name.
            user = self.find_user(username=name) or self.add_visitor(name, role) or self.find_user(username=name)
            if user is not None and role is not None and user.roles != [role]:
                user.roles = [role]
                self.update_user(user)
            return user
        finally:
            g.pop("standin_loading")

    def add_visitor(self, name, role):
        return self.add_user(username=name, first_name=name, last_name="-", email=f"{name}@localhost", role=role)

    def auth_user_remote_user(self, _username):
        # Airflow's own page for signing in lets nobody in.
        return None


SECURITY_MANAGER_CLASS = StandinSecurityManager
