"""Every setting of Carillon: values come from the environment (.env.example), each with a cast."""

from __future__ import annotations

import tomllib
from datetime import timedelta

import environ

from config.paths import BASE_DIR, VAR_DIR, environment_files
from engine.allowances import GatePolicy

env = environ.Env()
# Precedence: the process's environment, then .env, then what `manage.py run` wrote for itself.
for _path in environment_files():
    env.read_env(_path)

# --- security -------------------------------------------------------------------------------
DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = (
    env.str("SECRET_KEY", default="only-for-debug-and-never-for-real-data")
    if DEBUG
    else env.str("SECRET_KEY")
)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
# Fernet keys for stored credentials: the first encrypts, all decrypt.
CREDENTIAL_KEYS = env.list("CREDENTIAL_KEYS", default=[])
JWT_SECRET = env.list("JWT_SECRET", default=[])  # HS256 secrets, newest first; empty: no JWT
JWT_PUBLIC_KEY = env.str("JWT_PUBLIC_KEY", default="")  # RS256 keys, PEM blocks; empty: none
JWT_AUDIENCE = env.str("JWT_AUDIENCE", default="")
JWT_ISSUER = env.str("JWT_ISSUER", default="")
SERVICE_TOKEN = env.str("SERVICE_TOKEN", default="")
# Outside DEBUG the site is behind HTTPS unless somebody says otherwise (`manage.py run` does).
SECURE_COOKIES = env.bool("SECURE_COOKIES", default=not DEBUG)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_COOKIES
SECURE_SSL_REDIRECT = SECURE_COOKIES
SECURE_REDIRECT_EXEMPT = [r"^(health|ready|metrics|api/v1/health)/?$"]  # probes come unencrypted
SECURE_HSTS_SECONDS = env.int("HSTS_SECONDS", default=31_536_000) if SECURE_COOKIES else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = env.bool("HSTS_SUBDOMAINS", default=True)
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"  # Strict would lose the session when a network sends people back
SECURE_CONTENT_TYPE_NOSNIFF = True
X_FRAME_OPTIONS = "DENY"
# Staff without a second factor are led to set one up before they see anything else.
STAFF_NEED_SECOND_FACTOR = env.bool("STAFF_NEED_SECOND_FACTOR", default=False)
# After LOGIN_ATTEMPTS wrong passwords for one login from one address, both wait together.
LOGIN_PAUSE = timedelta(minutes=env.int("LOGIN_PAUSE_MINUTES", default=15))
AXES_FAILURE_LIMIT = env.int("LOGIN_ATTEMPTS", default=5)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_COOLOFF_TIME = LOGIN_PAUSE
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_RESET_ON_SUCCESS = True
AXES_CLIENT_IP_CALLABLE = "accounts.addresses.client_address"
AXES_LOCKOUT_CALLABLE = "web.views.login.locked_out"
AXES_DISABLE_ACCESS_LOG = True  # logins are in the audit log
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False
OTP_TOTP_ISSUER = "Carillon"
TRUST_PROXY_HEADERS = env.bool("TRUST_PROXY_HEADERS", default=False)
if TRUST_PROXY_HEADERS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# Two members of staff, or two callers, agree before an unknown outcome is resolved.
FOUR_EYES = env.bool("FOUR_EYES", default=False)

# --- applications ---------------------------------------------------------------------------
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "axes",
    "django_otp",
    "django_otp.plugins.otp_totp",
    "django_otp.plugins.otp_static",
    "drf_spectacular",
    "drf_spectacular_sidecar",  # Swagger UI, served by ourselves
    "django_htmx",  # brings htmx, for the operations page
    "config",
    "engine",  # before django_q: our qcluster command takes its place
    "accounts",
    "notifications",
    "social_django",  # before platforms, which takes its admin pages away
    "platforms",
    "media",
    "scheduling",
    "web",
    "api",
    "monitoring",
    "django_q",
]
MIDDLEWARE = [
    "monitoring.middleware.Instruments",  # before anything that could refuse or redirect a probe
    "monitoring.middleware.Correlation",
    "django.middleware.security.SecurityMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "web.second_factor.SecondFactor",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "web.middleware.ContentSecurityPolicy",
    "axes.middleware.AxesMiddleware",
]
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",  # refuses whoever guessed too often, before the next
    "django.contrib.auth.backends.ModelBackend",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
AUTH_USER_MODEL = "accounts.User"
CSRF_FAILURE_VIEW = "web.views.frame.refused_form"
LOGIN_URL = "web:login"
LOGIN_REDIRECT_URL = "web:home"
LOGOUT_REDIRECT_URL = "web:login"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True
STATIC_URL = "static/"
STATIC_ROOT = env.str("STATIC_ROOT", default=str(BASE_DIR / "staticfiles"))
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True
MEDIA_ROOT = env.str("MEDIA_ROOT", default=str(VAR_DIR / "media"))
MEDIA_MAX_BYTES = env.int("MEDIA_MAX_BYTES", default=100 * 1024 * 1024)
MEDIA_FETCH_DEADLINE = timedelta(seconds=env.float("MEDIA_FETCH_DEADLINE_SECONDS", default=60.0))
PORT = env.int("PORT", default=8000)  # where `manage.py run` serves the site
PUBLIC_URL = env.str("PUBLIC_URL", default="http://localhost:8000").rstrip("/")
# Where networks fetch files from; empty unless somebody said what our public address is.
MEDIA_PUBLIC_URL = env.str("MEDIA_PUBLIC_URL", default=env.str("PUBLIC_URL", default="")).rstrip(
    "/"
)

# --- database -------------------------------------------------------------------------------
DATABASES = {
    "default": env.db_url("DATABASE_URL", default=f"sqlite:///{VAR_DIR / 'carillon.sqlite3'}")
}
_database = DATABASES["default"]
USES_SQLITE = _database["ENGINE"].endswith("sqlite3")
if USES_SQLITE:
    # IMMEDIATE: a transaction that will write takes the lock at its start: it waits, never fails.
    _database["OPTIONS"] = {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
else:
    _database["CONN_MAX_AGE"] = env.int("DATABASE_CONN_MAX_AGE_SECONDS", default=60)
    _database["CONN_HEALTH_CHECKS"] = True
    _options = {  # a server whose host is gone is noticed within half a minute, not after hours
        "connect_timeout": 5,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 25_000,
    }
    _database["OPTIONS"] = {**_options, **_database.get("OPTIONS", {})}

# --- cache and queue ------------------------------------------------------------------------
REDIS_URL = env.str("REDIS_URL", default="")
if not REDIS_URL and env.str("REDIS_HOST", default=""):
    _password = env.str("REDIS_PASSWORD", default="")
    REDIS_URL = "redis://{}{}:{}/{}".format(
        f":{_password}@" if _password else "",
        env.str("REDIS_HOST"),
        env.int("REDIS_PORT", default=6379),
        env.int("REDIS_DB", default=0),
    )
if REDIS_URL:
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": REDIS_URL,
            # Requests do without a cache that is away; they must not wait for it.
            "OPTIONS": {"socket_connect_timeout": 1, "socket_timeout": 1},
        }
    }
else:
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
            "LOCATION": env.str("CACHE_DIR", default=str(VAR_DIR / "cache")),
        }
    }

# --- the engine -----------------------------------------------------------------------------
PUBLISHER_SLOTS = env.int("PUBLISHER_SLOTS", default=1 if USES_SQLITE else 2)
NOTIFIER_SLOTS = env.int("NOTIFIER_SLOTS", default=1)
PUBLISHER_CONCURRENCY = env.int(
    "PUBLISHER_CONCURRENCY", default=env.int("MAX_CONCURRENT_JOBS", default=200)
)
NOTIFIER_CONCURRENCY = env.int("NOTIFIER_CONCURRENCY", default=50)
WORKER_CONCURRENCY = env.int("WORKER_CONCURRENCY", default=5)
LOOK_AHEAD = timedelta(minutes=env.int("LOOK_AHEAD_MINUTES", default=5))
STUCK_THRESHOLD = timedelta(minutes=env.int("STUCK_THRESHOLD_MINUTES", default=10))
CLAIM_AHEAD = timedelta(seconds=env.float("CLAIM_AHEAD_SECONDS", default=5.0))
CALL_DEADLINE = timedelta(seconds=env.float("CALL_DEADLINE_SECONDS", default=20.0))
PUBLISH_LEASE = timedelta(seconds=env.float("PUBLISH_LEASE_SECONDS", default=30.0))
LEASE_MARGIN = timedelta(seconds=env.float("LEASE_MARGIN_SECONDS", default=5.0))
RECONCILE_GRACE = timedelta(seconds=env.float("RECONCILE_GRACE_SECONDS", default=10.0))
OUTCOME_REMINDER = timedelta(hours=env.float("OUTCOME_REMINDER_HOURS", default=24.0))
SLOT_RUN = timedelta(seconds=env.float("SLOT_RUN_SECONDS", default=600.0))
SLOT_TIME_TO_LIVE = timedelta(seconds=env.float("SLOT_TIME_TO_LIVE_SECONDS", default=3.0))
FLUSH_INTERVAL = timedelta(
    milliseconds=env.int("FLUSH_INTERVAL_MS", default=100 if USES_SQLITE else 20)
)
SHUTDOWN_GRACE = timedelta(seconds=env.float("SHUTDOWN_GRACE_SECONDS", default=30.0))
WATCHDOG = timedelta(seconds=env.float("WATCHDOG_SECONDS", default=20.0))
PUBLISHER_MAX_ATTEMPTS = env.int(
    "PUBLISHER_MAX_ATTEMPTS",
    default=env.int("JOB_RETRY_ATTEMPTS", default=env.int("MAX_RETRIES", default=7)),
)
RETRY_BASE_DELAY = timedelta(
    milliseconds=env.int("JOB_RETRY_DELAY", default=env.int("BACKOFF_DELAY", default=5000))
)
RETRY_MAX_DELAY = timedelta(milliseconds=env.int("RETRY_MAX_DELAY_MS", default=900_000))
# What the gate does beyond a network's own Retry-After, which nothing here switches off.
GATE_POLICY = GatePolicy(
    breaker_enabled=env.bool("CIRCUIT_BREAKER_ENABLED", default=True),
    breaker_threshold=env.int("CIRCUIT_BREAKER_THRESHOLD", default=3),
    breaker_open=timedelta(
        milliseconds=env.int("CIRCUIT_BREAKER_OPEN_DURATION_MS", default=300_000)
    ),
    spacing_enabled=env.bool("RATE_LIMITER_ENABLED", default=True),
    spacing_base=timedelta(milliseconds=env.int("RATE_LIMITER_BASE_DELAY_MS", default=3000)),
    spacing_cap=timedelta(milliseconds=env.int("RATE_LIMITER_MAX_DELAY_MS", default=300_000)),
)
PREFLIGHT_AHEAD = timedelta(hours=env.int("PREFLIGHT_HOURS", default=24))  # 0: switched off
SERIES_HORIZON = timedelta(days=env.int("SERIES_HORIZON_DAYS", default=30))
LATE_LIMIT = timedelta(minutes=env.int("LATE_LIMIT_MINUTES", default=120))
RESTORED_AFTER = timedelta(seconds=env.float("RESTORED_AFTER_SECONDS", default=3600.0))
INSTALLATION_ID = env.str("INSTALLATION_ID", default="")

Q_QUEUE_NAME = env.str("QUEUE_NAME", default="carillon")
_workers = PUBLISHER_SLOTS + NOTIFIER_SLOTS + 1 + WORKER_CONCURRENCY  # + 1: a slot's successor
Q_CLUSTER = {
    "name": Q_QUEUE_NAME,
    "label": "Task queue",
    "workers": _workers,
    "queue_limit": _workers,
    "timeout": int(SLOT_RUN.total_seconds() * 1.3 + SHUTDOWN_GRACE.total_seconds()) + 60,
    "retry": int(SLOT_RUN.total_seconds() * 1.3 + SHUTDOWN_GRACE.total_seconds()) + 180,
    "ack_failures": True,
    "max_attempts": 1,
    "catch_up": False,
    "save_limit": -1,
    "recycle": 5000,
    "poll": 0.2,
    "log_level": env.str("QUEUE_LOG_LEVEL", default="WARNING"),
    "ALT_CLUSTERS": {},
    **({"redis": REDIS_URL} if REDIS_URL else {"orm": "default"}),
}

# --- platforms ------------------------------------------------------------------------------
# One dict per network, handed to its adapter as keyword arguments of its config dataclass.
# Base URLs are settings so that tests and the demo can point them at the sandbox.
SANDBOX_PORT = env.int("SANDBOX_PORT", default=8010)  # where `manage.py run` serves the sandbox
SANDBOX_URL = env.str("SANDBOX_URL", default=f"http://127.0.0.1:{SANDBOX_PORT}")
META_GRAPH_VERSION = env.str("META_GRAPH_VERSION", default="v26.0")
FB_GRAPH_BASE = env.str("FB_GRAPH_BASE", default="https://graph.facebook.com")
FACEBOOK_CLIENT_ID = env.str("FACEBOOK_CLIENT_ID", default="")
FACEBOOK_CLIENT_SECRET = env.str("FACEBOOK_CLIENT_SECRET", default="")
PLATFORMS = {
    "x": {
        "api_base": env.str("X_API_BASE", default="https://api.x.com"),
        "authorize_url": env.str("X_AUTHORIZE_URL", default="https://x.com/i/oauth2/authorize"),
        "token_url": env.str("X_TOKEN_URL", default="https://api.x.com/2/oauth2/token"),
        "consumer_key": env.str("TWITTER_API_KEY", default=""),
        "consumer_secret": env.str("TWITTER_API_SECRET", default=""),
        "client_id": env.str("TWITTER_CLIENT_ID", default=""),
        "client_secret": env.str("TWITTER_CLIENT_SECRET", default=""),
        "post_fields_param": env.str("X_POST_FIELDS_PARAM", default="tweet.fields"),
    },
    "linkedin": {
        "api_base": env.str("LINKEDIN_API_BASE", default="https://api.linkedin.com"),
        "oauth_base": env.str("LINKEDIN_OAUTH_BASE", default="https://www.linkedin.com/oauth/v2"),
        "version": env.str("LINKEDIN_VERSION", default="202607"),
        "client_id": env.str("LINKEDIN_CLIENT_ID", default=""),
        "client_secret": env.str("LINKEDIN_CLIENT_SECRET", default=""),
    },
    "mastodon": {},
    "instagram": {
        "graph_base": env.str("IG_GRAPH_BASE", default="https://graph.instagram.com"),
        "facebook_base": FB_GRAPH_BASE,
        "upload_base": env.str("IG_RUPLOAD_BASE", default="https://rupload.facebook.com"),
        "authorize_url": env.str(
            "IG_AUTHORIZE_URL", default="https://www.instagram.com/oauth/authorize"
        ),
        "oauth_base": env.str("IG_OAUTH_BASE", default="https://api.instagram.com"),
        "version": META_GRAPH_VERSION,
        "client_id": env.str("INSTAGRAM_CLIENT_ID", default=""),
        "client_secret": env.str("INSTAGRAM_CLIENT_SECRET", default=""),
        "facebook_client_id": FACEBOOK_CLIENT_ID,
        "facebook_client_secret": FACEBOOK_CLIENT_SECRET,
        "max_hashtags": env.int("IG_MAX_HASHTAGS", default=30),
    },
    "threads": {
        "graph_base": env.str("THREADS_GRAPH_BASE", default="https://graph.threads.net"),
        "auth_base": env.str("THREADS_AUTH_BASE", default="https://www.threads.com"),
        "version": env.str("THREADS_API_VERSION", default="v1.0"),
        "client_id": env.str("THREADS_CLIENT_ID", default=""),
        "client_secret": env.str("THREADS_CLIENT_SECRET", default=""),
    },
    "facebook": {
        "graph_base": FB_GRAPH_BASE,
        "video_base": env.str("FB_VIDEO_BASE", default="https://graph-video.facebook.com"),
        "upload_base": env.str("FB_RUPLOAD_BASE", default="https://rupload.facebook.com"),
        "dialog_base": env.str("FB_DIALOG_BASE", default="https://www.facebook.com"),
        "version": META_GRAPH_VERSION,
        "client_id": FACEBOOK_CLIENT_ID,
        "client_secret": FACEBOOK_CLIENT_SECRET,
    },
    "bluesky": {
        "service_url": env.str("BLUESKY_SERVICE_URL", default="https://bsky.social"),
        "appview_url": env.str("BLUESKY_APPVIEW_URL", default="https://public.api.bsky.app"),
        "video_url": env.str("BLUESKY_VIDEO_URL", default="https://video.bsky.app"),
        "plc_url": env.str("BLUESKY_PLC_URL", default="https://plc.directory"),
    },
    "youtube": {
        "api_base": env.str("YOUTUBE_API_BASE", default="https://youtube.googleapis.com"),
        "upload_base": env.str("YOUTUBE_UPLOAD_BASE", default="https://youtube.googleapis.com"),
        "api_version": env.str("YOUTUBE_API_VERSION", default="v3"),
        "authorize_url": env.str(
            "YOUTUBE_AUTHORIZE_URL", default="https://accounts.google.com/o/oauth2/v2/auth"
        ),
        "token_url": env.str("YOUTUBE_TOKEN_URL", default="https://oauth2.googleapis.com/token"),
        "revoke_url": env.str("YOUTUBE_REVOKE_URL", default="https://oauth2.googleapis.com/revoke"),
        "client_id": env.str("YOUTUBE_CLIENT_ID", default=""),
        "client_secret": env.str("YOUTUBE_CLIENT_SECRET", default=""),
    },
    "tiktok": {
        "api_base": env.str("TIKTOK_API_BASE", default="https://open.tiktokapis.com"),
        "auth_base": env.str("TIKTOK_AUTH_BASE", default="https://www.tiktok.com"),
        "api_version": env.str("TIKTOK_API_VERSION", default="v2"),
        "client_id": env.str("TIKTOK_CLIENT_ID", default=""),
        "client_secret": env.str("TIKTOK_CLIENT_SECRET", default=""),
    },
    "deviantart": {
        "api_base": env.str(
            "DEVIANTART_API_BASE", default="https://www.deviantart.com/api/v1/oauth2"
        ),
        "oauth_base": env.str("DEVIANTART_OAUTH_BASE", default="https://www.deviantart.com/oauth2"),
        "api_version": env.str("DEVIANTART_API_VERSION", default="20240701"),
        "client_id": env.str("DEVIANTART_CLIENT_ID", default=""),
        "client_secret": env.str("DEVIANTART_CLIENT_SECRET", default=""),
    },
    "telegram": {"api_base": env.str("TELEGRAM_API_BASE", default="https://api.telegram.org")},
    "sandbox": {"api_base": SANDBOX_URL},
}
# Tell the network each post's due moment in a header: for the sandbox, which shows lateness.
TELL_DUE_AT = env.bool("TELL_DUE_AT", default=False)
# Hosts or networks (CIDR) that user-given addresses may reach although they are private.
PRIVATE_HOSTS_ALLOWED = env.list("PRIVATE_HOSTS_ALLOWED", default=[])

# --- connecting accounts --------------------------------------------------------------------
# social-auth only connects accounts for people who are logged in here: it never logs anybody in.
SOCIAL_AUTH_STRATEGY = "platforms.backends.base.Strategy"
SOCIAL_AUTH_PIPELINE = (
    "platforms.pipeline.check_right",
    "platforms.pipeline.read_tokens",
    "platforms.pipeline.ask_for_accounts",
    "platforms.pipeline.keep_accounts",
)
# What is asked for; SOCIAL_AUTH_<NAME>_SCOPE of the backend <name>.
SOCIAL_AUTH_X_SCOPE = env.list(
    "X_SCOPES",
    default=["tweet.read", "tweet.write", "users.read", "media.write", "offline.access"],
)
SOCIAL_AUTH_LINKEDIN_SCOPE = env.list(
    "LINKEDIN_SCOPES", default=["openid", "profile", "w_member_social"]
)
SOCIAL_AUTH_MASTODON_SCOPE = env.list(
    "MASTODON_SCOPES",
    default=["read:accounts", "read:statuses", "write:statuses", "write:media"],
)
SOCIAL_AUTH_INSTAGRAM_SCOPE = env.list(
    "INSTAGRAM_SCOPES",
    default=[
        "instagram_business_basic",
        "instagram_business_content_publish",
        "instagram_business_manage_comments",
        "instagram_business_manage_insights",
    ],
)
SOCIAL_AUTH_INSTAGRAM_FACEBOOK_SCOPE = env.list(
    "INSTAGRAM_FACEBOOK_SCOPES",
    default=[
        "instagram_basic",
        "instagram_content_publish",
        "instagram_manage_comments",
        "instagram_manage_insights",
        "pages_show_list",
        "pages_read_engagement",
        "business_management",
    ],
)
SOCIAL_AUTH_THREADS_SCOPE = env.list(
    "THREADS_SCOPES",
    default=[
        "threads_basic",
        "threads_content_publish",
        "threads_manage_replies",
        "threads_read_replies",
        "threads_manage_insights",
        "threads_delete",
    ],
)
SOCIAL_AUTH_FACEBOOK_SCOPE = env.list(
    "FACEBOOK_SCOPES",
    default=[
        "pages_show_list",
        "pages_read_engagement",
        "pages_manage_posts",
        "pages_manage_engagement",
        "read_insights",
        "business_management",
    ],
)
_GOOGLE = "https://www.googleapis.com/auth/"
SOCIAL_AUTH_YOUTUBE_SCOPE = env.list(
    "YOUTUBE_SCOPES",
    default=[
        f"{_GOOGLE}youtube.upload",
        f"{_GOOGLE}youtube.readonly",
        f"{_GOOGLE}youtube.force-ssl",
        f"{_GOOGLE}yt-analytics.readonly",
    ],
)
SOCIAL_AUTH_TIKTOK_SCOPE = env.list(
    "TIKTOK_SCOPES",
    default=[
        "user.info.basic",
        "user.info.profile",
        "user.info.stats",
        "video.publish",
        "video.upload",
        "video.list",
    ],
)
SOCIAL_AUTH_DEVIANTART_SCOPE = env.list(
    "DEVIANTART_SCOPES",
    default=["user", "user.manage", "browse", "stash", "publish", "gallery", "comment.post"],
)
# Where networks send people back to, if not to PUBLIC_URL/oauth/complete/<name>/.
OAUTH_REDIRECT_URIS = {"youtube": env.str("YOUTUBE_REDIRECT_URI", default="")}
# The server that the form for Mastodon suggests.
MASTODON_SERVER = env.str("MASTODON_SERVER", default="")
# Offer the imitation network of our own among the real ones.
OFFER_SANDBOX = env.bool("OFFER_SANDBOX", default=False)

# --- notifications --------------------------------------------------------------------------
EMAIL_CONFIG = env.email_url("EMAIL_URL", default="consolemail://")
EMAIL_BACKEND = EMAIL_CONFIG["EMAIL_BACKEND"]
EMAIL_HOST = EMAIL_CONFIG.get("EMAIL_HOST") or "localhost"
EMAIL_PORT = EMAIL_CONFIG.get("EMAIL_PORT") or 25
EMAIL_HOST_USER = EMAIL_CONFIG.get("EMAIL_HOST_USER") or ""
EMAIL_HOST_PASSWORD = EMAIL_CONFIG.get("EMAIL_HOST_PASSWORD") or ""
EMAIL_USE_TLS = EMAIL_CONFIG.get("EMAIL_USE_TLS", False)
EMAIL_USE_SSL = EMAIL_CONFIG.get("EMAIL_USE_SSL", False)
EMAIL_TIMEOUT = 15  # seconds for each step of the conversation with the mail server
EMAIL_DEADLINE = timedelta(seconds=30)  # for all of them together
EMAIL_FROM = env.str("EMAIL_FROM", default="")  # empty: the e-mail channel is not configured
DEFAULT_FROM_EMAIL = EMAIL_FROM or "carillon@localhost"
# whsec_..., newest first, all of them sign; empty: one derived from SECRET_KEY.
CALLBACK_SECRET = env.list("CALLBACK_SECRET", default=[])
# Messages that other systems ask for (POST /api/v1/notifications), for each workspace; 0: any.
NOTIFICATION_JOBS_PER_HOUR = env.int("NOTIFICATION_JOBS_PER_HOUR", default=1000)
CALLBACK_DEADLINE = timedelta(seconds=env.float("CALLBACK_DEADLINE_SECONDS", default=15.0))
DJANGO_API_URL = env.str("DJANGO_API_URL", default="")
CHANNEL_DEADLINE = timedelta(seconds=env.float("CHANNEL_DEADLINE_SECONDS", default=15.0))
# Where providers report what became of a message; empty unless somebody said where we are.
HOOKS_PUBLIC_URL = env.str("HOOKS_PUBLIC_URL", default=env.str("PUBLIC_URL", default="")).rstrip(
    "/"
)
SENDGRID_API_KEY = env.str("SENDGRID_API_KEY", default="")  # with it, mail goes through SendGrid
SENDGRID_API_BASE = env.str("SENDGRID_API_BASE", default="https://api.sendgrid.com")
SENDGRID_WEBHOOK_PUBLIC_KEY = env.str("SENDGRID_WEBHOOK_PUBLIC_KEY", default="")
TWILIO_ACCOUNT_SID = env.str("TWILIO_ACCOUNT_SID", default="")
TWILIO_AUTH_TOKEN = env.str("TWILIO_AUTH_TOKEN", default="")
TWILIO_PHONE_NUMBER = env.str("TWILIO_PHONE_NUMBER", default="")
TWILIO_MESSAGING_SERVICE_SID = env.str("TWILIO_MESSAGING_SERVICE_SID", default="")
TWILIO_API_BASE = env.str("TWILIO_API_BASE", default="https://api.twilio.com")
FIREBASE_SERVICE_ACCOUNT = env.str("FIREBASE_SERVICE_ACCOUNT", default="{}")
FCM_API_BASE = env.str("FCM_API_BASE", default="https://fcm.googleapis.com")
SLACK_BOT_TOKEN = env.str("SLACK_BOT_TOKEN", default="")
SLACK_API_BASE = env.str("SLACK_API_BASE", default="https://slack.com")
STAFF_SLACK_CHANNEL = env.str("STAFF_SLACK_CHANNEL", default="")

# --- instruments ----------------------------------------------------------------------------
CARILLON_VERSION: str = tomllib.loads((BASE_DIR / "pyproject.toml").read_text())["project"][
    "version"
]
ROLLUP_DAYS = env.int("ROLLUP_DAYS", default=35)
# When /ready says no although everything answers.
READY_OVERDUE = timedelta(seconds=env.float("READY_OVERDUE_SECONDS", default=60.0))
READY_CANARY = timedelta(seconds=env.float("READY_CANARY_SECONDS", default=30.0))
READY_CLOCK_OFFSET = timedelta(seconds=env.float("READY_CLOCK_OFFSET_SECONDS", default=5.0))
# The worker's own door for probes.
HEALTH_CHECK_ENABLED = env.bool("HEALTH_CHECK_ENABLED", default=True)
HEALTH_CHECK_HOST = env.str("HEALTH_CHECK_HOST", default="127.0.0.1")
HEALTH_CHECK_PORT = env.int("HEALTH_CHECK_PORT", default=5000)
# Who may read /metrics: whoever knows the token; without one, these networks.
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
METRICS_NETWORKS = env.list("METRICS_NETWORKS", default=["127.0.0.0/8", "::1/128"])

# --- REST -----------------------------------------------------------------------------------
# Requests to the API that one caller may make in a minute; 0: any number.
API_REQUESTS_PER_MINUTE_AND_KEY = env.int("API_REQUESTS_PER_MINUTE_AND_KEY", default=3000)
API_REQUESTS_PER_MINUTE_AND_USER = env.int("API_REQUESTS_PER_MINUTE_AND_USER", default=600)
API_REQUESTS_PER_MINUTE_AND_ADDRESS = env.int("API_REQUESTS_PER_MINUTE_AND_ADDRESS", default=60)
CORS_ALLOWED_ORIGINS = env.list("CORS_ALLOWED_ORIGINS", default=[])
CORS_URLS_REGEX = r"^/api/"
CORS_ALLOW_HEADERS = (
    "accept",
    "authorization",
    "content-type",
    "idempotency-key",
    "if-match",
    "if-none-match",
    "x-api-key",
    "x-workspace",
)
CORS_EXPOSE_HEADERS = (
    "ETag",
    "Idempotency-Replayed",
    "RateLimit-Limit",
    "RateLimit-Remaining",
    "RateLimit-Reset",
    "Retry-After",
)
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "api.openapi.Described",
    "EXCEPTION_HANDLER": "api.problems.problem_response",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Carillon",
    "DESCRIPTION": "Social publishing on time, once, and honest about it.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "COMPONENT_SPLIT_PATCH": False,
    "ENFORCE_NON_BLANK_FIELDS": True,
    "PREPROCESSING_HOOKS": ["api.openapi.without_final_slash"],
    "POSTPROCESSING_HOOKS": [],  # enumerations have names of their own
}

# --- logging --------------------------------------------------------------------------------
_LEVELS = {"TRACE": "DEBUG", "WARN": "WARNING", "FATAL": "CRITICAL", "SILENT": "CRITICAL"}
LOG_LEVEL = env.str("LOG_LEVEL", default="info").upper()
LOG_LEVEL = _LEVELS.get(LOG_LEVEL, LOG_LEVEL)
# Other people's libraries tell nothing below a warning, and no more than we do.
_OTHERS_LEVEL = LOG_LEVEL if LOG_LEVEL in {"ERROR", "CRITICAL"} else "WARNING"
LOG_FORMAT = env.str("LOG_FORMAT", default="json")  # json or text
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {"()": "config.logs.JsonFormatter"},
        "text": {"()": "config.logs.TextFormatter"},
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT}},
    "root": {"handlers": ["console"], "level": _OTHERS_LEVEL},
    "loggers": {
        "carillon": {"level": LOG_LEVEL},
        **{app: {"level": LOG_LEVEL} for app in ("api", "web", "media", "platforms", "accounts")},
        "django-q": {"handlers": ["console"], "level": Q_CLUSTER["log_level"], "propagate": False},
    },
}
SENTRY_DSN = env.str("SENTRY_DSN", default="")
SENTRY_ENVIRONMENT = env.str("SENTRY_ENVIRONMENT", default="production")
if SENTRY_DSN:
    from config import sentry

    sentry.start(SENTRY_DSN, release=CARILLON_VERSION, environment=SENTRY_ENVIRONMENT)
