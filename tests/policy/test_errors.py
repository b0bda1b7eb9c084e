import pickle

from gateway.policy.errors import PolicyError


def test_it_names_the_file_the_place_and_the_problem() -> None:
    error = pickle.loads(pickle.dumps(PolicyError("ops.yaml", "match.agents[0]", "is 3; allowed: text")))
    assert str(error) == "ops.yaml: match.agents[0]: is 3; allowed: text"
    assert str(PolicyError("ops.yaml", "", "is not YAML")) == "ops.yaml: is not YAML"
