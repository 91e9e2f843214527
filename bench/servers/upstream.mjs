// An avatar service on which every job is still running. It reports how many polls it received, and how many of them
// came before the poll of an older job.
import { createServer } from 'node:http';
import { answerCommands } from '../lib/processes.mjs';
import { listen } from './data.mjs';

const answer = JSON.stringify({ status: 'processing' });
let polls = 0;
let outOfOrder = 0;
let last = 0;

answerCommands({
  polls: () => {
    const counted = { polls, outOfOrder };
    [polls, outOfOrder] = [0, 0];
    return counted;
  },
});

const server = createServer((request, response) => {
  const number = Number(/bench-(\d+)/.exec(request.url)?.[1]);
  polls += 1;
  if (number < last) outOfOrder += 1;
  last = Math.max(last, number);
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': answer.length });
  response.end(answer);
});
server.keepAliveTimeout = 60_000;
listen(server);
