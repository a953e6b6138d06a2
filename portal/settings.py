"""The Django settings, read from the environment through ``portal.env``."""

from datetime import timedelta
from typing import Any

from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from portal.connections import LOCAL_CACHE, database_from_url, email_from_url, redis_cache, sqlite_database
from portal.env import BASE_DIR, BadEnvironment, Env, Production, load
from portal.env_types import versioned_keys
from portal.operations import logs
from portal.operations.embedded import read_secrets

try:
    ENV: Env | Production = load()
except BadEnvironment as exc:
    raise ImproperlyConfigured(str(exc)) from None

production = ENV if isinstance(ENV, Production) else None
EMBEDDED = production is None
DEBUG = ENV.debug and EMBEDDED
VAR_DIR = ENV.var_dir

# --- Secrets -----------------------------------------------------------------------------------------------------
if production is not None:
    SECRET_KEY = production.secret_key.get_secret_value()
    KEY_PEPPERS = production.key_peppers
    ENCRYPTION_KEYS = production.encryption_keys
else:
    embedded = read_secrets()
    SECRET_KEY = embedded.get("SECRET_KEY", "")
    KEY_PEPPERS = versioned_keys(embedded["KEY_PEPPERS"]) if embedded else ()
    ENCRYPTION_KEYS = versioned_keys(embedded["ENCRYPTION_KEYS"]) if embedded else ()

# --- Addresses and limits ----------------------------------------------------------------------------------------
PORT = ENV.port
WEB_HOST = production.web_host if production else "127.0.0.1"
PUBLIC_URL = production.public_url if production else f"http://localhost:{PORT}"
ALLOWED_HOSTS = list(production.allowed_hosts) if production else ["localhost", "127.0.0.1", "[::1]"]
TRUSTED_PROXIES = production.trusted_proxies if production else ()
PLAIN_HTTP_NETWORKS = production.plain_http_networks if production else ()
HTTPS = PUBLIC_URL.startswith("https://")
KEY_BRAND = ENV.key_brand
SIGNUP = ENV.signup
MAX_KEYS_PER_ORGANIZATION = ENV.max_keys_per_organization
MAX_CLIENTS_PER_ORGANIZATION = ENV.max_clients_per_organization
MAX_ORGANIZATIONS_PER_USER = ENV.max_organizations_per_user
MAX_MEMBERS_PER_ORGANIZATION = ENV.max_members_per_organization
MAX_INVITATIONS_PER_DAY = ENV.max_invitations_per_day
WIDEST_IPV4_PREFIX = ENV.widest_ipv4_prefix
WIDEST_IPV6_PREFIX = ENV.widest_ipv6_prefix
ENVIRONMENT_NAME = ENV.environment_name
AUDIT_RETENTION = timedelta(days=ENV.audit_retention_days)
USAGE_RETENTION = timedelta(days=ENV.usage_retention_days)
SNAPSHOT_TTL = ENV.snapshot_ttl  # seconds for which a copy is fresh
SNAPSHOT_COPIES = ENV.snapshot_copies  # copies that each process keeps
SNAPSHOT_STALE_IF_ERROR = ENV.snapshot_stale_if_error  # seconds for which a stale copy is used during a database outage
RATE_LIMIT_WITHOUT_REDIS = ENV.rate_limit_without_redis  # local, open or closed
METRICS_TOKEN = ENV.metrics_token
SERVED = ENV.latchkey_served  # set by `manage.py serve` for the processes it starts

# --- Apps, middleware, URLs, templates ---------------------------------------------------------------------------
INSTALLED_APPS = [
    "portal.apps.LatchkeyAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.forms",  # its templates, for FORM_RENDERER
    "csp",
    "django_htmx",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "portal",
    "keys",
    "oauth",
]
MIDDLEWARE = [
    "portal.middleware.RequestIdMiddleware",
    "portal.middleware.ForwardedMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "portal.middleware.MachineMiddleware",
    "portal.middleware.NotBeforeMiddleware",
    "portal.middleware.PermissionsPolicyMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "portal.middleware.NulMiddleware",
    "portal.middleware.FieldsMiddleware",
    "portal.accounts.sessions.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "portal.middleware.OrganizationMiddleware",
]
ROOT_URLCONF = "portal.urls"
WSGI_APPLICATION = "portal.wsgi.application"
# The hot paths, ASGI apps in front of Django (portal/asgi.py). They are strings because portal imports no other app.
HOT_PATHS = {
    "/v1/validate": "keys.validation.http.validate",
    "/v1/whoami": "keys.validation.http.whoami",
    "/oauth/token": "oauth.endpoints.http.token",
    "/oauth/introspect": "oauth.endpoints.http.introspect",
    "/oauth/revoke": "oauth.endpoints.http.revoke",
    "/.well-known/jwks.json": "oauth.endpoints.discovery.jwks",
    "/.well-known/oauth-authorization-server": "oauth.endpoints.discovery.metadata",
    "/.well-known/openid-configuration": "oauth.endpoints.discovery.metadata",
    "/oauth/status": "oauth.endpoints.status_lists.aggregation",
}
HOT_PREFIXES = {
    "/oauth/status/": "oauth.endpoints.status_lists.status_list",
}
# Path prefixes of pages whose forms may exceed 64 KiB, the limit for all other forms.
LARGE_FORMS = {"/app/keys/": 256 * 1024, "/app/clients/": 256 * 1024, "/admin/": 1024 * 1024}
# Path prefixes of pages whose forms may exceed 1,000 fields. A client may have 500 scopes at each of 20 APIs, of which
# no more fit into 256 KiB; the form of an API has 500 scopes with three fields each.
MANY_FIELDS = {"/app/clients/": 6000, "/admin/keys/api/": 2000}
MACHINE_PREFIXES = ("/v1/", "/oauth/", "/.well-known/", "/healthz", "/readyz", "/metrics")
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "builtins": [
                "django.templatetags.static",
                "portal.templatetags.ui",
                "portal.templatetags.ui_forms",
                "portal.templatetags.ui_code",
                "portal.templatetags.ui_data",
            ],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "portal.context.shell",
            ],
        },
    },
]
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"  # widgets may have templates of ours
APPEND_SLASH = False  # machine endpoints redirect nothing; pages link to their real address
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Stores ------------------------------------------------------------------------------------------------------
if production is not None:
    REDIS_URL = production.redis_url.get_secret_value()
    DATABASES: dict[str, dict[str, Any]] = {"default": database_from_url(production.database_url)}
    DATABASE_POOLER = production.database_pooler
    CACHES: dict[str, dict[str, Any]] = {"default": redis_cache(REDIS_URL)}
else:
    REDIS_URL = ""
    DATABASE_POOLER = None
    DATABASES = {"default": sqlite_database(VAR_DIR / "db.sqlite3")}
    CACHES = {"default": LOCAL_CACHE}

# --- Accounts ----------------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "portal.User"
AUTHENTICATION_BACKENDS = [
    "allauth.account.auth_backends.AuthenticationBackend",
]
PASSWORD_HASHERS = ["portal.accounts.passwords.BoundedArgon2Hasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "portal.accounts.passwords.LengthValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ("email", "name")},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "portal.accounts.passwords.ServiceNameValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/app/"
LOGOUT_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "portal.accounts.adapters.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_PASSWORD_RESET_TOKEN_GENERATOR = "portal.accounts.passwords.ResetTokens"  # noqa: S105  # a name
ACCOUNT_FORMS = {
    "signup": "portal.accounts.forms.SignupForm",
    "add_email": "portal.accounts.forms.AddEmailForm",
    "login": "portal.accounts.forms.LoginForm",
    "reauthenticate": "portal.accounts.forms.ReauthenticateForm",
    "change_password": "portal.accounts.forms.ChangePasswordForm",
    "set_password": "portal.accounts.forms.SetPasswordForm",
    "reset_password": "portal.accounts.forms.ResetPasswordForm",
    "reset_password_from_key": "portal.accounts.forms.ResetPasswordKeyForm",
}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_FORMAT = {"numeric": True, "length": 6, "dashed": False}
ACCOUNT_EMAIL_VERIFICATION_SUPPORTS_RESEND = True
ACCOUNT_LOGIN_BY_CODE_TIMEOUT = 900
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_CHANGE_EMAIL = True
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = False
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_REAUTHENTICATION_METHODS = ("password", "mfa")  # a mailed code would replace a second factor
ACCOUNT_REAUTHENTICATION_TIMEOUT = 900
# portal/accounts/login_throttle.py explains these limits.
ACCOUNT_RATE_LIMITS = {
    "login_failed": "10/m/ip,5/300s/key",
    "login_failed_account": "100/h/key",
    "login_failed_known": "10/300s/key,100/d/key",
    "reset_password": "20/m/ip",
    "reset_mail": "2/2700s/key",  # links work for an hour: the last link still works for 15 minutes or more
    "reset_mail_known": "5/h/key",
    "tagged_mail": "20/d/key",  # to all of name+…@ that no account has verified
    "confirm_email": "1/10s/key,20/d/key",  # three guesses at six digits each: 1 chance in 16,000 a day
}
MFA_ADAPTER = "portal.accounts.adapters.MFAAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = MFA_PASSKEY_SIGNUP_ENABLED = True
MFA_WEBAUTHN_USER_VERIFICATION = "required"  # a passkey counts as both factors
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_FORMS = {
    "activate_totp": "portal.accounts.factor_forms.ActivateTotpForm",
    "authenticate": "portal.accounts.factor_forms.SecondStepForm",
    "reauthenticate": "portal.accounts.factor_forms.CodeAgainForm",
    "authenticate_webauthn": "portal.accounts.factor_forms.PasskeySecondStepForm",
    "login_webauthn": "portal.accounts.factor_forms.PasskeySignInForm",
    "reauthenticate_webauthn": "portal.accounts.factor_forms.PasskeyAgainForm",
}
MFA_TOTP_ISSUER = "Latchkey"
MFA_TOTP_TOLERANCE = 1  # for the set-up only; portal/services/factors.py decides which steps count
PASSWORD_RESET_TIMEOUT = 3600

# --- Sessions, cookies, headers ----------------------------------------------------------------------------------
_cookie = "__Host-" if HTTPS else ""
SESSION_COOKIE_NAME = f"{_cookie}latchkey_session"
SESSION_COOKIE_SECURE = HTTPS
SESSION_ENGINE = "portal.accounts.sessions"  # also defines the lifetimes of sessions
SESSION_COOKIE_AGE = 7 * 24 * 3600
CSRF_COOKIE_NAME = f"{_cookie}latchkey_csrf"
CSRF_COOKIE_SECURE = HTTPS
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
CSRF_FAILURE_VIEW = "portal.views.csrf_failure"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^(v1|oauth|\.well-known)/(?!change-password$)", r"^(healthz|readyz|metrics)$"]
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = max(MANY_FIELDS.values())

# --- Static files ------------------------------------------------------------------------------------------------
STATIC_URL = "/static/"
STATIC_ROOT = VAR_DIR / "static"
FONTS_DIR = BASE_DIR / "var" / "fonts"  # made by `manage.py fonts`
STATICFILES_DIRS: list[Any] = [BASE_DIR / "static", *([("fonts", FONTS_DIR)] if FONTS_DIR.is_dir() else [])]
WHITENOISE_USE_FINDERS = EMBEDDED
WHITENOISE_AUTOREFRESH = DEBUG
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if EMBEDDED
        else "portal.static.HashedGzippedStorage"
    },
}

# --- Language and time -------------------------------------------------------------------------------------------
LANGUAGE_CODE = "en"
USE_I18N = False
FORMAT_MODULE_PATH = "portal.ui.formats"
TIME_ZONE = "UTC"
USE_TZ = True

# --- Mail --------------------------------------------------------------------------------------------------------
if production is not None:
    vars().update(email_from_url(production.email_url, public_url=PUBLIC_URL))
else:
    EMAIL_BACKEND = "portal.mails.backends.BoxBackend"
MAIL_BACKEND = vars()["EMAIL_BACKEND"]
IS_SMTP = MAIL_BACKEND.startswith("django.core.mail.backends.smtp.")
# Both send mails through MAIL_BACKEND outside the request. A mail server may defer a mail; a terminal does not.
EMAIL_BACKEND = "portal.mails.queue.QueueBackend" if IS_SMTP else "portal.mails.backends.BackgroundBackend"
EMAIL_TIMEOUT = 10

# --- Celery ------------------------------------------------------------------------------------------------------
CELERY_BROKER_URL = REDIS_URL or "filesystem://localhost"  # kombu would warn of a missing host

# --- Logs --------------------------------------------------------------------------------------------------------
LOGGING = logs.configuration(level=ENV.log_level, as_json=not EMBEDDED)
