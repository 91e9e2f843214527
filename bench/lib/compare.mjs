// Compares servers over HTTP: checks that they give the same answers, then measures them in alternating rounds.
import { ask, cpuMs, machineCpuMs, withChild } from './processes.mjs';
import { AnswersDiffer, median } from './report.mjs';
import { startPeer } from './servers.mjs';

const checkedRequests = 20;

/**
 * Measures the same requests on all servers, and on one that answers a constant text of the same size, which shows the
 * ceiling of the load generator.
 * @param servers - running servers; the first is the reference of the ratios
 * @param requests - sent in turn
 * @param normalise - removes what may differ from an answer's text. \@defaultValue no change
 * @param beforeEach - restores the state of the database before each measurement
 */
export async function compare(bench, servers, { requests, normalise, beforeEach }) {
  const answerBytes = await checkAnswers(servers, requests.slice(0, checkedRequests), normalise);
  const constant = await startPeer(bench, 'constant', { ANSWER_BYTES: String(answerBytes) });
  const targets = [...servers, constant].map((server) => ({ id: server.id, server, requests }));
  return measureRounds(bench, targets, beforeEach);
}

/**
 * Measures targets in alternating rounds: within a round one after the other, so that their ratios compare moments close
 * to each other.
 * @param targets - a server and its requests each; the first is the reference of the ratios
 * @returns a row per number of connections and target, and all samples
 */
export async function measureRounds(bench, targets, beforeEach) {
  const { connections, rounds, seconds, warmUpSeconds } = bench.options;
  const measureOne = async ({ server, requests }, count, duration) => {
    await beforeEach?.();
    return measure(bench, server, { requests, connections: count, seconds: duration });
  };
  const samples = [];
  for (const target of targets) await measureOne(target, Math.max(...connections), warmUpSeconds);
  for (const count of connections) {
    for (let round = 0; round < rounds; round += 1) {
      for (const target of targets) {
        const sample = await measureOne(target, count, seconds);
        samples.push({ server: target.id, connections: count, round, ...sample });
      }
    }
  }
  return { rows: connections.flatMap((count) => summarise(targets, count, samples)), samples };
}

/** @returns the size of the first answer in bytes */
async function checkAnswers(servers, requests, normalise = (text) => text) {
  let bytes = 0;
  for (const request of requests) {
    const [expected, ...others] = await Promise.all(servers.map((server) => post(server, request)));
    bytes ||= Buffer.byteLength(expected);
    for (const [index, text] of others.entries()) {
      if (canonical(text, normalise) === canonical(expected, normalise)) continue;
      const [reference, server] = [servers[0], servers[index + 1]];
      throw new AnswersDiffer(
        `${server.id} and ${reference.id} differ for ${request.body.slice(0, 60)}…\n` +
          `${server.id}: ${text.slice(0, 600)}\n${reference.id}: ${expected.slice(0, 600)}`,
      );
    }
  }
  return bytes;
}

/** The answer's JSON without insignificant spaces; the order of the fields counts. */
function canonical(text, normalise) {
  const answer = JSON.parse(text);
  if (answer.errors || !answer.data) throw new AnswersDiffer(`An answer has errors: ${text.slice(0, 600)}`);
  return normalise(JSON.stringify(answer.data));
}

/** Sends one request. @returns the answer's text */
export async function post({ url }, { body, headers }) {
  const answer = await fetch(`${url}/graphql`, {
    method: 'POST',
    body,
    headers: { ...headers, 'content-type': 'application/json' },
    signal: AbortSignal.timeout(20_000),
  });
  return answer.text();
}

/** Loads one server for some seconds. */
async function measure({ database }, server, job) {
  const before = {
    server: cpuMs(server.pid),
    database: cpuMs(database.pid),
    machine: machineCpuMs(),
    at: Date.now(),
  };
  const load = await withChild('lib/load-generator.mjs', (child) =>
    ask(child, { type: 'load', url: server.url, ...job }),
  );
  const [serverMs, databaseMs] = [cpuMs(server.pid) - before.server, cpuMs(database.pid) - before.database];
  if (load.errors > 0) throw new AnswersDiffer(`${server.id} answered ${load.errors} requests with errors.`);
  const othersMs = machineCpuMs() - before.machine - serverMs - databaseMs - load.cpuMs;
  return {
    perSecond: load.perSecond,
    p50: load.p50,
    p99: load.p99,
    serverUs: (serverMs / load.requests) * 1000,
    databaseUs: (databaseMs / load.requests) * 1000,
    otherCores: Math.max(0, othersMs / (Date.now() - before.at)),
  };
}

function summarise(targets, connections, samples) {
  const reference = targets[0].id;
  const of = (id) => samples.filter((sample) => sample.server === id && sample.connections === connections);
  return targets.map(({ id }) => {
    const own = of(id);
    const middle = (field) => median(own.map((sample) => sample[field]));
    return {
      connections,
      server: id,
      'requests/s': middle('perSecond'),
      [`x ${reference}`]: median(
        own.map(({ perSecond }, round) => perSecond / of(reference)[round].perSecond),
      ),
      'p50 ms': middle('p50'),
      'p99 ms': middle('p99'),
      'server µs': middle('serverUs'),
      'database µs': middle('databaseUs'),
      'other cores': middle('otherCores'),
    };
  });
}
