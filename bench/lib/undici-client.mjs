// Bare undici as a process: GET requests on 64 connections, each with up to 4 pipelined.
import { Pool } from 'undici';
import { answerCommands } from './processes.mjs';

const connections = 64;
const pipelining = 4;

answerCommands({
  async run({ url, seconds }) {
    const pool = new Pool(url, { connections, pipelining });
    const startedAt = Date.now();
    const end = startedAt + seconds * 1000;
    let requests = 0;
    const request = async () => {
      while (Date.now() < end) {
        const path = `/v1/avatars/models/bench-${requests}`;
        const { body } = await pool.request({ method: 'GET', path, blocking: false });
        await body.text();
        requests += 1;
      }
    };
    await Promise.all(Array.from({ length: connections * pipelining }, request));
    await pool.close();
    return { perSecond: (requests / (Date.now() - startedAt)) * 1000 };
  },
});
