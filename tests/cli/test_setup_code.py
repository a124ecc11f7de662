"""The command line at an API that wants a setup code until there is an account."""

from unittest import mock

from services.cli.desk import Desk
from services.cli.top import live_samples
from tests.cli.conftest import Rig

CODE = "open-sesame-42"
PASSWORD = "correct horse"
KNOWS = {"DUMB_SETUP_CODE": CODE}


def test_the_first_account(rig: Rig) -> None:
    rig.kill_api()
    rig.start_api(DUMB_SETUP_CODE=CODE)
    assert "DUMB_SETUP_CODE" in rig.refused("status", code=77)
    assert "wrong" in rig.refused("status", code=77, env={"DUMB_SETUP_CODE": "guess"})
    assert "Web Server" in rig.says("status", env=KNOWS)
    # `dumb top` sends it with its socket: no collector runs here.
    client = Desk(rig.environ(**KNOWS)).client
    with mock.patch("time.sleep"), mock.patch("websockets.sync.client.connect") as connect:
        connect.side_effect = OSError
        next(live_samples(client, 1))
    assert connect.call_args.kwargs["additional_headers"] == {"X-Setup-Code": CODE}
    # Asked for where it is not set, and before the password.
    wrong = rig.refused("users", "add", "admin", code=77, typed=f"guess\n{PASSWORD}\n")
    assert "setup code" in wrong
    added = rig.dumb("users", "add", "admin", typed=f"{CODE}\n{PASSWORD}\n")
    assert (added.returncode, added.stdout) == (0, "Added admin.\n"), added
    assert "no token was sent" in rig.refused("status", code=77, env=KNOWS)
    rig.says("login", "-u", "admin", typed=f"{PASSWORD}\n")
    assert "Web Server" in rig.says("status")


def test_an_api_at_a_public_address(rig: Rig) -> None:
    """`dumb` finds this machine's API; it names it so that the API answers without accounts."""
    with mock.patch("shared.api_address.api_address", return_value=("203.0.113.5", 8000)):
        own = Desk(rig.environ()).client
        given = Desk(rig.environ(), url="http://203.0.113.5:8000").client
    for client, host in ((own, "localhost"), (given, "203.0.113.5:8000")):
        with mock.patch.object(client, "_http") as http:
            http.request.return_value.status_code = 200
            http.request.return_value.content = b"{}"
            client.get("/auth/status")
        sent = http.request.call_args.kwargs["headers"]
        assert sent.get("Host", "203.0.113.5:8000") == host
        with (
            mock.patch("socket.create_connection") as connection,
            mock.patch("websockets.sync.client.connect") as connect,
        ):
            client.open_socket("/ws/metrics")
        assert connect.call_args.args == (f"ws://{host}/ws/metrics",)
        if client is own:  # the name is not the address
            assert connection.call_args.args[0] == ("203.0.113.5", 8000)
            assert connect.call_args.kwargs["sock"] is connection.return_value
