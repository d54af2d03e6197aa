"""The parts of redis-compat/run: servers, stories, official suites, replays, the model. Links nothing of src/."""
