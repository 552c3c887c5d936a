"""Statistics of posts, organizations and members, counted from the posts' ages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sandbox.exchange import Answer, Call
from sandbox.growth import grown
from sandbox.linkedin import errors, people, restli
from sandbox.linkedin.reading import shown_posts
from sandbox.records import Account, Post

_YEAR_SECONDS = 365 * 86_400
_METRICS = {  # of a member's posts: the most that a post gets
    "IMPRESSION": 900,
    "MEMBERS_REACHED": 600,
    "REACTION": 40,
    "COMMENT": 9,
    "RESHARE": 5,
}
_METRICS_SINCE_202604 = {
    "POST_SAVE": 7,
    "POST_SEND": 3,
    "LINK_CLICKS": 20,
    "FOLLOWER_GAINED_FROM_CONTENT": 2,
    "PROFILE_VIEW_FROM_CONTENT": 12,
}
_OLD_METRIC = "com.linkedin.adsexternalapi.memberanalytics.v1.CreatorPostAnalyticsMetricTypeV1"


def of_shares(call: Call) -> Answer:
    """`organizationalEntityShareStatistics`: in all, or for `shares=` / `ugcPosts=List(...)`.

    A post that nobody saw yet is absent.
    """
    account = _organization(call, "organizationalEntityShareStatistics")
    wanted = [*restli.listed(call, "shares"), *restli.listed(call, "ugcPosts")]
    posts = [p for p in shown_posts(call, account) if _age_s(p, call) < _YEAR_SECONDS]
    urn = people.urn_of(account)
    if not wanted:
        elements = [{"organizationalEntity": urn, "totalShareStatistics": _total(posts, call)}]
    else:
        elements = [
            {
                "organizationalEntity": urn,
                post.id.split(":")[2]: post.id,
                "totalShareStatistics": _total([post], call),
            }
            for post in posts
            if post.id in wanted and _sum([post], call, "IMPRESSION")
        ]
    return _elements(elements)


def _total(posts: list[Post], call: Call) -> dict[str, Any]:
    views = _sum(posts, call, "IMPRESSION")
    counts = {
        "clickCount": _sum(posts, call, "LINK_CLICKS"),
        "likeCount": _sum(posts, call, "REACTION"),
        "commentCount": _sum(posts, call, "COMMENT"),
        "shareCount": _sum(posts, call, "RESHARE"),
    }
    return {
        "impressionCount": views,
        "uniqueImpressionsCount": _sum(posts, call, "MEMBERS_REACHED"),
        **counts,
        "engagement": sum(counts.values()) / views if views else 0.0,
    }


def of_followers(call: Call) -> Answer:
    account = _organization(call, "organizationalEntityFollowerStatistics")
    counts = {"organicFollowerCount": _followers(account), "paidFollowerCount": 0}
    element = {
        "organizationalEntity": people.urn_of(account),
        "followerCountsByAssociationType": [{"followerCounts": counts}],
    }
    return _elements([element])


def of_pages(call: Call) -> Answer:
    account = _organization(call, "organizationPageStatistics", "organization")
    page_views = _sum(shown_posts(call, account), call, "PROFILE_VIEW_FROM_CONTENT")
    element = {
        "organization": people.urn_of(account),
        "totalPageStatistics": {"views": {"allPageViews": {"pageViews": page_views}}},
    }
    return _elements([element])


def network_size(call: Call) -> Answer:
    """`networkSizes/{urn}?edgeType=COMPANY_FOLLOWED_BY_MEMBER`: the followers."""
    urn = restli.key(call)
    people.need(call, "networkSizes.GET", "rw_organization_admin", "r_organization_social")
    if call.query.get("edgeType") != "COMPANY_FOLLOWED_BY_MEMBER":
        raise errors.invalid("ILLEGAL_ARGUMENT", "edgeType", "Unknown edgeType")
    if urn != people.urn_of(people.organization(call)):
        raise errors.denied("networkSizes.GET")
    return Answer(200, {"firstDegreeSize": _followers(people.organization(call))})


def of_member(call: Call) -> Answer:
    """`memberCreatorPostAnalytics`: one metric of one post (`q=entity`) or of all (`q=me`)."""
    people.need(call, "memberCreatorPostAnalytics.FINDER", "r_member_postAnalytics")
    query = call.query
    version, metric = restli.version(call), query.get("queryType", "")
    if metric not in _METRICS | (_METRICS_SINCE_202604 if version >= 202604 else {}):
        raise errors.invalid("ILLEGAL_ARGUMENT", "queryType", f"Unknown queryType {metric}")
    if query.get("aggregation", "TOTAL") != "TOTAL":
        raise errors.invalid("ILLEGAL_ARGUMENT", "aggregation", "The sandbox knows TOTAL only.")
    if query.get("q") not in ("entity", "me"):
        raise errors.invalid("ILLEGAL_ARGUMENT", "q", "q: entity or me")
    posts: Iterable[Post] = shown_posts(call, people.member(call))
    if query["q"] == "entity":
        posts = [_entity(call, posts)]
    is_text = version >= restli.STRING_METRIC_VERSION
    element = {
        "count": _sum(posts, call, metric),
        "metricType": metric if is_text else {_OLD_METRIC: metric},
    }
    return _elements([element])


def _entity(call: Call, posts: Iterable[Post]) -> Post:
    """The post of `entity=(share:urn)` or `(ugc:urn)`, which must fit each other."""
    kind, urn = restli.tagged(call, "entity")
    if not urn.startswith({"share": "urn:li:share:", "ugc": "urn:li:ugcPost:"}.get(kind, " ")):
        raise errors.invalid("ILLEGAL_ARGUMENT", "entity", "share and ugc go with their URNs")
    for post in posts:
        if post.id == urn:
            return post
    raise errors.refused(404, "NOT_FOUND", f"Could not find {urn}")


def _organization(call: Call, resource: str, parameter: str = "organizationalEntity") -> Account:
    people.need(call, f"{resource}.FINDER", "rw_organization_admin")
    if call.query.get("q") != parameter:
        raise errors.invalid("ILLEGAL_ARGUMENT", "q", f"Only q={parameter} can be asked.")
    account = people.organization(call)
    if restli.parameter(call, parameter) != people.urn_of(account):
        raise errors.denied(f"{resource}.FINDER")
    return account


def _sum(posts: Iterable[Post], call: Call, metric: str) -> int:
    most = (_METRICS | _METRICS_SINCE_202604)[metric]
    return sum(grown(f"{post.id}{metric}", _age_s(post, call), most=most) for post in posts)


def _age_s(post: Post, call: Call) -> float:
    return call.world.now() - post.published_at


def _followers(account: Account) -> int:
    return 100 + int(account.id) % 900


def _elements(elements: list[dict[str, Any]]) -> Answer:
    return Answer(200, {"paging": people.paging(0, 10), "elements": elements})
