"""Imported once by the process that the others are forked from: everything that takes long."""

from __future__ import annotations

import tempfile

import chromadb
import chromadb.api.client

import ingestd.cli.reconcile
import ingestd.cli.run
import ingestd.instance
import ingestd.once
import ingestd.service
from ingestd.embed import model
from ingestd.embed.language import language
from ingestd.settings.content import ModelSettings
from ingestd_state import migrate
from ingestd_state.engine import Database

WARMED = (chromadb, ingestd.cli, ingestd.instance, ingestd.once, ingestd.service)

language("The table of languages is read at its first use.")
model.configured(ModelSettings(name="hash"))
with tempfile.TemporaryDirectory() as folder:
    database = Database(f"sqlite:///{folder}/state.db")
    migrate.upgrade(database)
    database.close()
