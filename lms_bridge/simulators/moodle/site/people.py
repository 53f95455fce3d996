"""The accounts of a site, found by id, user name, e-mail address and id number."""

from collections.abc import Callable, Iterable, Iterator
from threading import RLock
from typing import Any

from .records import User


class Index:
    """User ids by a key of theirs, so that a look-up in a site of 100,000 people is no scan."""

    def __init__(self, key: Callable[[User], str]) -> None:
        self._key = key
        self._ids: dict[str, list[int]] = {}

    def put(self, user: User) -> None:
        """Index the user by its present key."""
        self._ids.setdefault(self._key(user), []).append(user.id)

    def drop(self, user: User) -> None:
        """Forget the user under its present key."""
        self._ids[self._key(user)].remove(user.id)

    def find(self, key: str) -> list[int]:
        """The ids under that key."""
        return self._ids.get(key, [])


class People:
    """User accounts. User names are unique, and so are e-mail addresses, whatever their case.

    ``allow_shared_emails`` is Moodle's setting of nearly that name: with it, two people may have
    one address, as families and small offices do.
    """

    def __init__(self, lock: RLock) -> None:
        self.languages = {"en"}
        self.allow_shared_emails = False
        self._lock = lock
        self._users: dict[int, User] = {}
        self._indexes = {
            "username": Index(lambda user: user.username),
            "email": Index(lambda user: user.email.lower()),
            "idnumber": Index(lambda user: user.idnumber),
        }
        self._next_id = 1

    def __len__(self) -> int:
        return len(self._users)

    def __iter__(self) -> Iterator[User]:
        """All accounts, by id."""
        return iter(sorted(self._users.values(), key=lambda user: user.id))

    def get(self, user_id: int) -> User | None:
        """The account with that id, if any."""
        return self._users.get(user_id)

    def taken(self, username: str = "", email: str = "", but: int = 0) -> bool:
        """Whether somebody else than user ``but`` has that user name or address."""
        names = self._indexes["username"].find(username.lower()) if username else []
        emails = self._indexes["email"].find(email.lower()) if email else []
        return any(i != but for i in names) or (
            not self.allow_shared_emails and any(i != but for i in emails)
        )

    def with_any(self, field: str, values: Iterable[str]) -> list[User]:
        """The accounts whose field (id, username, email, idnumber) is exactly one of the values.

        Case counts, as in a look-up on PostgreSQL. Sorted by id.
        """
        wanted = set(values)
        if field == "id":
            ids = {int(value) for value in wanted if value.isdigit()}
        else:
            keys = {value.lower() if field == "email" else value for value in wanted}
            ids = {i for key in keys for i in self._indexes[field].find(key)}
        users = [self._users[i] for i in sorted(ids) if i in self._users]
        return [user for user in users if field == "id" or getattr(user, field) in wanted]

    def add(self, username: str, firstname: str, lastname: str, email: str, **more: Any) -> User:
        """Add an account; further fields of :class:`User` by name, ``id`` to choose it.

        Raises ValueError when the user name or the address is taken.
        """
        with self._lock:
            if self.taken(username, email):
                raise ValueError("user name or e-mail address taken")
            user_id = int(more.pop("id", self._next_id))
            user = User(user_id, username.lower(), firstname, lastname, email, **more)
            self._next_id = max(self._next_id, user_id + 1)
            self._users[user_id] = user
            for index in self._indexes.values():
                index.put(user)
            return user

    def change(self, user_id: int, **values: Any) -> User:
        """Set fields of an account, keeping the indexes right. Raises KeyError if unknown."""
        with self._lock:
            user = self._users[user_id]
            for index in self._indexes.values():
                index.drop(user)
            for name, value in values.items():
                setattr(user, name, value)
            for index in self._indexes.values():
                index.put(user)
            return user

    def remove(self, user_id: int) -> None:
        """Delete an account, as an administrator may by hand. Raises KeyError if unknown."""
        with self._lock:
            user = self._users.pop(user_id)
            for index in self._indexes.values():
                index.drop(user)
