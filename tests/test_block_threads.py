import threading

import pytest

from vecac.engines.block_threads import BlockThreads


@pytest.mark.parametrize(
    ("num_threads", "num_blocks", "count"), [(1, 5, 1), (2, 5, 2), (8, 3, 1), (8, 6, 3), (3, 64, 3)]
)
def test_every_block_is_run_once(num_threads, num_blocks, count):
    threads = BlockThreads(num_threads, num_blocks)
    done = []
    threads.run(lambda memory, first, last, more: done.append((memory, more, range(first, last))), "m", 7)
    assert threads.count == len(done) == count
    assert sorted(block for _, _, blocks in done for block in blocks) == list(range(num_blocks))
    assert {(memory, more) for memory, more, _ in done} == {("m", 7)}
    threads.close()


def test_they_run_at_the_same_time_and_are_gone_after_close():
    before = threading.active_count()
    threads, meeting = BlockThreads(3, 6), threading.Barrier(3, timeout=30)
    threads.run(lambda *_: meeting.wait(), None)
    threads.close()
    assert threading.active_count() == before


def test_what_a_thread_raises_is_raised():
    threads = BlockThreads(2, 4)

    def fail(memory, first, last):
        if first == 2:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        threads.run(fail, None)
    threads.close()
