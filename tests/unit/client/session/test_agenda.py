from hypothesis import given
from hypothesis import strategies as st

from pushaside.session.agenda import Agenda

names = st.sampled_from("abcdef")
times = st.floats(min_value=0, max_value=100)
operations = st.lists(
    st.one_of(
        st.tuples(st.just("put"), names, times),
        st.tuples(st.just("drop"), names, st.just(0.0)),
        st.tuples(st.just("take"), st.just(""), times),
    ),
    max_size=200,
)


@given(operations)
def test_it_behaves_like_a_dict_of_times(operations: list[tuple[str, str, float]]) -> None:
    agenda, model = Agenda(), {}
    for operation, name, time in operations:
        if operation == "put":
            agenda.put(name, time)
            model[name] = time
        elif operation == "drop":
            agenda.drop(name)
            model.pop(name, None)
        else:
            due = {name for name, at in model.items() if at <= time}
            assert set(agenda.take_due(time)) == due
            for name in due:
                del model[name]
        assert agenda.next_at() == min(model.values(), default=None)


def test_what_was_dropped_does_not_pile_up() -> None:
    agenda = Agenda()
    for number in range(10_000):
        agenda.put(str(number), 1000.0 + number)
        agenda.drop(str(number))

    assert len(agenda._heap) < 100
