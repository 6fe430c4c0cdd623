"""Authentication of Airflow 2's REST API for calls that standin's proxy makes."""

from functools import wraps

from airflow.www.extensions.init_auth_manager import get_auth_manager
from flask import Response, request
from flask_login import login_user

CLIENT_AUTH = None


def init_app(_app):
    pass


def requires_authentication(function):
    @wraps(function)
    def decorated(*args, **kwargs):
        user = request.headers.get("X-Standin-User")
        user = user and get_auth_manager().security_manager.auth_user_remote_user(user)
        if not user:
            return Response("Unauthorized", 401)
        login_user(user, remember=False)
        return function(*args, **kwargs)

    return decorated
