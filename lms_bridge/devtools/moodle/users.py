"""The users of a site, found by id, user name, e-mail address and id number."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from threading import RLock
from typing import Any

from lms_bridge.devtools.moodle.records import MoodleUser

_KEYS: Mapping[str, Callable[[MoodleUser], str]] = {
    "username": lambda user: user.username,
    "email": lambda user: user.email.lower(),
    "idnumber": lambda user: user.idnumber,
}


class MoodleUsers:
    """User accounts. User names are unique, and so are e-mail addresses, whatever their case.

    ``allow_shared_emails`` is Moodle's setting of nearly that name: with it, two people may have
    one address, as families and small offices do.
    """

    def __init__(self, lock: RLock) -> None:
        self.languages = {"en"}
        self.allow_shared_emails = False
        self._lock = lock
        self._users: dict[int, MoodleUser] = {}
        # {field: {key: ids}}: a look-up in a site of 100,000 people is no scan.
        self._ids: dict[str, dict[str, list[int]]] = {field: {} for field in _KEYS}
        self._next_id = 1

    def __len__(self) -> int:
        return len(self._users)

    def __iter__(self) -> Iterator[MoodleUser]:
        return iter(sorted(self._users.values(), key=lambda user: user.id))

    def get(self, user_id: int) -> MoodleUser | None:
        return self._users.get(user_id)

    def is_deleted(self, user_id: int) -> bool:
        return user_id in self._users and self._users[user_id].deleted

    def taken(self, username: str = "", email: str = "", but: int = 0) -> bool:
        """Whether somebody else than user ``but`` has that user name or address."""
        names = self._ids["username"].get(username.lower(), ()) if username else ()
        emails = self._ids["email"].get(email.lower(), ()) if email else ()
        return any(i != but for i in names) or (
            not self.allow_shared_emails and any(i != but for i in emails)
        )

    def with_any(self, field: str, values: Iterable[str]) -> list[MoodleUser]:
        """The accounts whose field (id, username, email, idnumber) is exactly one of the values.

        Case counts, as in a look-up on PostgreSQL. Sorted by id.
        """
        requested = set(values)
        if field == "id":
            ids = {int(value) for value in requested if value.isdigit()}
        else:
            keys = {value.lower() if field == "email" else value for value in requested}
            ids = {i for key in keys for i in self._ids[field].get(key, ())}
        users = [self._users[i] for i in sorted(ids) if i in self._users]
        return [user for user in users if field == "id" or getattr(user, field) in requested]

    def add(
        self, username: str, firstname: str, lastname: str, email: str, **more: Any
    ) -> MoodleUser:
        """Add an account; further fields of ``MoodleUser`` by name, ``id`` to choose it.

        Raises ValueError when the user name or the address is taken.
        """
        with self._lock:
            if self.taken(username, email):
                raise ValueError("user name or e-mail address taken")
            user_id = int(more.pop("id", self._next_id))
            user = MoodleUser(user_id, username.lower(), firstname, lastname, email, **more)
            self._next_id = max(self._next_id, user_id + 1)
            self._users[user_id] = user
            self._index(user)
            return user

    def change(self, user_id: int, **values: Any) -> MoodleUser:
        """Set fields of an account, keeping the indexes right. Raises KeyError if unknown."""
        with self._lock:
            user = self._users[user_id]
            self._unindex(user)
            for name, value in values.items():
                setattr(user, name, value)
            self._index(user)
            return user

    def remove(self, user_id: int) -> None:
        """Take an account out of the database. Raises KeyError if unknown."""
        with self._lock:
            user = self._users.pop(user_id)
            self._unindex(user)

    def delete(self, user_id: int, at: int) -> None:
        """Delete an account, as an administrator may by hand. Moodle keeps the row, under a user
        name and an address that nobody else has. Raises KeyError if unknown."""
        user = self._users[user_id]
        address = hashlib.md5(user.username.encode(), usedforsecurity=False).hexdigest()
        username = f"{user.email}.{at}".lower()
        self.change(user_id, deleted=True, username=username, email=address, idnumber="")

    def index_all(self) -> None:
        """Makes the indexes anew, for users that were put in at once."""
        self._ids = {field: {} for field in _KEYS}
        for user in self:
            self._index(user)

    def _index(self, user: MoodleUser) -> None:
        for field, key in _KEYS.items():
            self._ids[field].setdefault(key(user), []).append(user.id)

    def _unindex(self, user: MoodleUser) -> None:
        for field, key in _KEYS.items():
            self._ids[field][key(user)].remove(user.id)
