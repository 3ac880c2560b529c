"""What gunicorn serves: `gunicorn wsgi:app`."""

import os

from server import logs
from server.app import create_app
from server.config import Config

config = Config.from_env(os.environ)
logs.configure(config.log)
app = create_app(config)
