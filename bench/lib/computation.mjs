// A process that only computes: what its work costs more beside others is due to the machine.
import { performance } from 'node:perf_hooks';
import { answerCommands } from './processes.mjs';

const rows = Array.from({ length: 500 }, (_, id) => ({
  id,
  name: `Model ${id}`,
  tags: ['a', 'b'],
  at: 0.5 + id,
}));

answerCommands({ compute });

function compute({ seconds }) {
  const [startedAt, before] = [performance.now(), process.cpuUsage()];
  let done = 0;
  for (; performance.now() < startedAt + seconds * 1000; done += 1) JSON.parse(JSON.stringify(rows));
  const { user, system } = process.cpuUsage(before);
  return { done, cpuMs: (user + system) / 1000 };
}
