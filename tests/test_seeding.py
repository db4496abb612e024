from vecac.seeding import environment_seeds, restart_sequence, seed_sequences, torch_seed


def test_streams_are_reproducible_and_differ_by_purpose_and_seed():
    drawn = [torch_seed(sequence) for seed in (1, 2) for sequence in seed_sequences(seed)]
    assert len(set(drawn)) == len(drawn)
    assert drawn[:5] == [torch_seed(sequence) for sequence in seed_sequences(1)]
    assert all(0 <= seed < 2**63 for seed in drawn)


def test_environment_seeds_are_plain_ints_that_every_environment_accepts():
    seeds = environment_seeds(seed_sequences(1).environments, 1000)
    assert len(set(seeds)) == 1000
    assert all(type(seed) is int and 0 <= seed < 2**32 for seed in seeds)


def test_an_environments_seed_does_not_depend_on_how_many_there_are():
    sequence = seed_sequences(1).environments
    assert environment_seeds(sequence, 4) == environment_seeds(sequence, 16)[:4]


def test_neighbouring_runs_and_evaluation_share_no_episode():
    training = {seed: set(environment_seeds(seed_sequences(seed).environments, 100)) for seed in range(20)}
    evaluation = {seed: set(environment_seeds(seed_sequences(seed).evaluation, 100)) for seed in range(20)}
    everything = [*training.values(), *evaluation.values()]
    assert len(set.union(*everything)) == 100 * len(everything)


def test_whoever_starts_anew_shares_a_stream_with_nobody():
    moments = (0, 1, 2, 3, 500, 2**32, 2**32 + 1, 2**40)
    drawn = [torch_seed(sequence) for sequence in seed_sequences(1)]
    drawn += [torch_seed(restart_sequence(each, at)) for each in seed_sequences(1) for at in moments]
    assert len(set(drawn)) == len(drawn) == 5 + 5 * len(moments)
    policy = seed_sequences(1).policy
    assert torch_seed(restart_sequence(policy, 500)) == torch_seed(restart_sequence(policy, 500))
