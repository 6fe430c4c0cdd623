"""Signs in whoever standin's proxy says is there: nobody else knows the secret."""

import hmac
import os

from airflow.providers.fab.auth_manager.security_manager.override import FabAirflowSecurityManagerOverride
from flask import request
from flask_appbuilder.const import AUTH_REMOTE_USER

AUTH_TYPE = AUTH_REMOTE_USER
AUTH_REMOTE_USER_ENV_VAR = "HTTP_X_STANDIN_USER"
AUTH_USER_REGISTRATION = True
AUTH_USER_REGISTRATION_ROLE = "Public"
WTF_CSRF_ENABLED = True


class StandinSecurityManager(FabAirflowSecurityManagerOverride):
    def auth_user_remote_user(self, username):
        secret = request.headers.get("X-Standin-Secret", "")
        if not hmac.compare_digest(secret.encode(), os.environ["STANDIN_PROXY_SECRET"].encode()):
            return None
        user = super().auth_user_remote_user(username)
        role = self.find_role(request.headers.get("X-Standin-Role", "Public"))
        if user is not None and role is not None and user.roles != [role]:
            user.roles = [role]
            self.update_user(user)
        return user


SECURITY_MANAGER_CLASS = StandinSecurityManager
