"""Booking's process: its schema, its allocator, and what it does when it hears something."""

from starlette.applications import Starlette

from services.booking.counter import allocate, expire, find_answers, take_orders
from services.booking.counter import open_counter as on_start
from services.booking.reactions import service
from services.booking.schema import schema
from services.service import application
from services.settings import Settings

__all__ = ["app", "on_start", "service"]

for task in (take_orders, allocate, find_answers, expire):
    service.runs(task)


def app(settings: Settings) -> Starlette:
    return application(service, settings, schema=schema, on_start=on_start)
