import ipaddress
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.constraints.hosts import host_of, make
from gateway.policy.constraints.scope import Scope, Where
from gateway.policy.names import Names
from tests.support.policies import facts

SCOPE = Scope(facts(), Names())
CHECK = make(["*.example.com", "api.test", "192.0.2.1", "2001:db8::1"], Where("d", "t", "a", Names()))


@pytest.mark.parametrize(
    "value",
    [
        "https://a.example.com/x?y#z", "http://a.b.example.com:8080", "a.example.com", "A.Example.COM.",
        "api.test/path", "api.test:443", "//api.test/x", "bob@api.test", "mailto:bob+x@api.test",
        "https://192.0.2.1/", "192.0.2.1", "http://[2001:db8:0::1]:80/", "ftp://api.test", "https://api.test?u=@evil.com",
        "https://api.test/größe", ["https://api.test", "bob@a.example.com"], [],
    ],
)  # fmt: skip
def test_hosts_that_are_allowed(value: object) -> None:
    assert CHECK(value, SCOPE) is None


@pytest.mark.parametrize(
    "value",
    [
        "https://example.com", "https://evil.com", "https://evilexample.com", "https://a.example.com.evil.com",
        "https://api.test@evil.com", "https://user:pw@api.test", "https://evil.com\\@api.test",
        "https://evil.com#@api.test", "https://evil.com?@api.test", "https:evil.com", "https:/api.test",
        "http://api.test/\r\nHost: evil.com", "http://api.test/x\ty",
        "https:///api.test", "javascript:api.test", "data:text/html,api.test", " https://api.test",
        "https://api.test\n.evil.com", "https://api\u3002test", "https://xn--e1awd7f.com", "https://аpi.test",
        "http://3221225985/", "http://0xc0.0.2.1/", "http://192.0.2.01/", "http://192.0.513",
        "http://[::ffff:192.0.2.1]",
        "http://[2001:db8::1", "http://[zz]/", "http://api.test:port/", "http://api..test",
        "http://.api.test",
        "http://.",
        "evil.com/@api.test", "evil.com:80@api.test", "bob@evil.com,x@api.test", "bob@api.test,x@evil.com",
        "bob <bob@api.test>", "mailto:bob@api.test?cc=eve@evil.com", "a@b@api.test", "bob@api.test/x",
        "bob@api.test:25",
        "good.test://evil.com", "", "x" * 9000, 5, None, {"url": "https://api.test"}, ["https://api.test", "evil.com"],
    ],
)  # fmt: skip
def test_hosts_that_are_not(value: object) -> None:
    assert CHECK(value, SCOPE) is not None


@given(st.text(st.sampled_from("ab.@/:\\?#[]%é1 \t-_"), max_size=20))
def test_where_a_url_has_a_host_the_standard_library_sees_the_same(text: str) -> None:
    found = host_of("https://" + text)
    if found is not None:
        hostname = urlsplit("https://" + text).hostname or ""
        assert found in (hostname.removesuffix("."), hostname) or ipaddress.ip_address(hostname).compressed == found
        assert "@" not in urlsplit("https://" + text).netloc
