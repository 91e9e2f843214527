// The load generator's ceiling: a server that answers a constant text of the same size as the other servers' answers.
import { serve } from './data.mjs';

const text = JSON.stringify({ data: 'x'.repeat(Math.max(0, Number(process.env.ANSWER_BYTES) - 11)) });
serve(() => Promise.resolve(text));
