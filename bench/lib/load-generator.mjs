// A load generator for HTTP/1.1 with keep-alive, as a process of its own. Each connection sends a request, waits for
// the whole answer, and sends the next one. It writes prepared bytes to plain sockets, so that it uses a small share of
// the processor compared with the servers under test.
import { Buffer } from 'node:buffer';
import { connect } from 'node:net';
import { performance } from 'node:perf_hooks';
import { answerCommands } from './processes.mjs';
import { quantile } from './report.mjs';

const headEnd = Buffer.from('\r\n\r\n');

answerCommands({ load: runLoad });

async function runLoad({ url, requests, connections, seconds }) {
  const { hostname, port, host } = new URL(url);
  const messages = requests.map((request) => encode(request, host));
  const run = { next: 0, messages, latencies: [], errors: 0, isOver: false };
  const sockets = await Promise.all(Array.from({ length: connections }, () => open(hostname, Number(port))));
  const cpuBefore = process.cpuUsage();
  const startedAt = performance.now();
  const timer = setTimeout(() => (run.isOver = true), seconds * 1000);
  try {
    await Promise.all(sockets.map((socket) => keepAsking(socket, run)));
  } finally {
    clearTimeout(timer);
    for (const socket of sockets) socket.destroy();
  }
  const elapsedMs = performance.now() - startedAt;
  const cpu = process.cpuUsage(cpuBefore);
  return {
    requests: run.latencies.length,
    perSecond: (run.latencies.length / elapsedMs) * 1000,
    p50: quantile(run.latencies, 0.5),
    p99: quantile(run.latencies, 0.99),
    errors: run.errors,
    cpuMs: (cpu.user + cpu.system) / 1000,
  };
}

/** A POST of a body to /graphql, or a GET of a path. */
function encode({ body, path, headers = {} }, host) {
  const lines = [
    path ? `GET ${path} HTTP/1.1` : 'POST /graphql HTTP/1.1',
    `host: ${host}`,
    ...(path ? [] : ['content-type: application/json', `content-length: ${Buffer.byteLength(body)}`]),
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ];
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n${body ?? ''}`);
}

function open(host, port) {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, noDelay: true }, () => resolve(socket));
    socket.once('error', reject);
  });
}

function keepAsking(socket, run) {
  return new Promise((resolve, reject) => {
    let sentAt = 0;
    let answer = newAnswer();
    const send = () => {
      answer = newAnswer();
      sentAt = performance.now();
      socket.write(run.messages[run.next++ % run.messages.length]);
    };
    socket.on('data', (chunk) => {
      try {
        if (!isComplete(answer, chunk)) return;
      } catch (error) {
        reject(error);
        return;
      }
      run.latencies.push(performance.now() - sentAt);
      if (answer.isError) run.errors += 1;
      if (run.isOver) resolve();
      else send();
    });
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('The server closed a connection under load.')));
    send();
  });
}

const newAnswer = () => ({ head: null, missing: Infinity, isError: false });

/** Adds a chunk to an answer. @returns whether the answer is complete */
function isComplete(answer, chunk) {
  if (answer.missing !== Infinity) {
    answer.missing -= chunk.length;
    return answer.missing <= 0;
  }
  answer.head = answer.head ? Buffer.concat([answer.head, chunk]) : chunk;
  const end = answer.head.indexOf(headEnd);
  if (end < 0) return false;
  const head = answer.head.latin1Slice(0, end);
  const [, length] = /\ncontent-length: *(\d+)/i.exec(head) ?? [];
  if (length === undefined) throw new Error('The load generator needs answers with Content-Length.');
  const start = end + headEnd.length;
  answer.isError =
    head.slice(9, 12) !== '200' || answer.head.toString('latin1', start, start + 10).includes('errors');
  answer.missing = Number(length) - (answer.head.length - start);
  return answer.missing <= 0;
}
