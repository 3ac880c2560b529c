"""What gunicorn serves: `gunicorn wsgi:app`."""

import os

from server.app import create_app
from server.config import Config

app = create_app(Config.from_env(os.environ))
