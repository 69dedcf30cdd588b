# SPDX-License-Identifier: Apache-2.0
"""A page that says who serves it, and a counter kept by another container (REDIS names it)."""
import os

import flask

app = flask.Flask(__name__)
redis = None


@app.route("/")
def page():
    return "page of gunicorn\n"


@app.route("/count")
def count():
    global redis
    if redis is None:
        import redis as module
        redis = module.Redis(host=os.environ["REDIS"])
    return "count %d\n" % (redis.incr("count") > 0)


@app.route("/workers")
def workers():
    return "%d\n" % os.getpid()
