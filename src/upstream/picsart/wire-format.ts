import { z } from 'zod';
import { maxUrlLength } from '../guard';
import type { AvatarType, GenerateRequest, InstantRequest, TrainRequest, UpstreamResult } from '../provider';

/*
 * Paths, field names and formats of Picsart AI Avatar only. Documented on Picsart's public pages: the paths, the key's
 * header, `model_id`, `inference_id`, `status`, and the request of an instant avatar. Inferred from those: `images`,
 * `prompts`, and where the URLs of results are. Therefore answers are parsed tolerantly.
 */

/** The header that carries the key. */
export const apiKeyHeader = 'X-Picsart-API-Key';

/** Paths below the base URL. References are encoded, since the upstream chooses them. */
export const paths = {
  models: '/v1/avatars/models',
  model: (modelRef: string) => `/v1/avatars/models/${encodeURIComponent(modelRef)}`,
  inferences: (modelRef: string) => `/v1/avatars/models/${encodeURIComponent(modelRef)}/inferences`,
  inference: (modelRef: string, ref: string) =>
    `/v1/avatars/models/${encodeURIComponent(modelRef)}/inferences/${encodeURIComponent(ref)}`,
  instants: '/v1/avatars/instant',
  instant: (ref: string) => `/v1/avatars/instant/${encodeURIComponent(ref)}`,
  balance: '/v1/balance',
} as const;

/** The documented base URL of the avatar calls. */
const picsartBaseUrl = 'https://genai-avatars-api.picsart.io';

/**
 * The base URL for the balance of credits. It is documented for the GenAI API (`GET /v1/balance` answers
 * `{"credits": int}`); that the avatars' key works there is inferred. Any other server is called directly.
 */
export function balanceUrlOf(baseUrl: string): string {
  const host = baseUrl === picsartBaseUrl ? 'https://genai-api.picsart.io' : baseUrl;
  return host + paths.balance;
}

/** The credits in a balance; null if it has none. */
export function readCredits(body: Record<string, unknown> | null): number | null {
  const read = z.coerce.number().safeParse(body?.credits ?? asObject(body?.data)?.credits);
  return read.success ? read.data : null;
}

/** The body of a training request. */
export function trainBody(request: TrainRequest): { images: readonly string[]; type: Lowercase<AvatarType> } {
  return { images: request.photoUrls, type: request.type.toLowerCase() as Lowercase<AvatarType> };
}

/** The body of a request for avatars of a model. */
export function generateBody(request: GenerateRequest): { prompts: object[] } {
  return { prompts: request.prompts.map(({ style, prompt, count }) => ({ style, prompt, count })) };
}

/** The body of a request for avatars of one photo. */
export function instantBody(request: InstantRequest): object {
  return {
    images: [request.photoUrl],
    prompt: request.prompt,
    negative_prompt: request.negativePrompt,
    count: request.count,
  };
}

/** The JSON object of an answer. */
export type Body = Record<string, unknown>;

/** Parses a JSON object; null for everything else, such as HTML, truncated JSON or a list. */
export function parseBody(body: Buffer): Record<string, unknown> | null {
  try {
    const parsed: unknown = JSON.parse(body.toString('utf8'));
    return Array.isArray(parsed) ? null : (asObject(parsed) ?? null);
  } catch {
    return null;
  }
}

/** 1 to 200 characters without spaces, control characters or path segments that are resolved. */
const reference = z
  .string()
  .regex(/^[^\s\p{C}]{1,200}$/u)
  .refine((text) => text !== '.' && text !== '..');

/** The id in the answer to a submission, at the top or in `data`; null if there is no usable one. */
export function readReference(
  body: Record<string, unknown>,
  name: 'model_id' | 'inference_id',
): string | null {
  const read = reference.safeParse(body[name] ?? asObject(body.data)?.[name]);
  return read.success ? read.data : null;
}

/**
 * The finished pictures, from `data.urls`, `urls` or `data`, as strings or objects with a `url`. An
 * entry without a usable URL keeps its position.
 * @returns null if the answer has no list, as opposed to an empty one
 */
export function readResults(body: Record<string, unknown>): UpstreamResult[] | null {
  const lists = [asObject(body.data)?.urls, body.urls, body.data, asObject(body.data)?.url];
  const list = lists.map((value) => (typeof value === 'string' ? [value] : value)).find(Array.isArray) as
    unknown[] | undefined;
  return list ? list.slice(0, maxResults).map(readResult) : null;
}

/** A limit above the largest possible generation. */
const maxResults = 1_000;

const resultId = z.union([z.string(), z.number()]).transform(String).pipe(reference);

function readResult(value: unknown): UpstreamResult {
  const fields = asObject(value);
  const id = resultId.safeParse(fields?.id);
  return { url: readResultUrl(fields ? fields.url : value), id: id.success ? id.data : undefined };
}

function readResultUrl(value: unknown): string | null {
  if (typeof value !== 'string' || !URL.canParse(value)) return null;
  const { href, protocol } = new URL(value);
  return href.length <= maxUrlLength && /^https?:$/.test(protocol) ? href : null;
}

/** The progress in percent, if the body has it; a number between 0 and 1 is read as a fraction. */
export function readProgress(body: Record<string, unknown>): number | undefined {
  const values = [body.progress, body.percent, body.percentage, asObject(body.data)?.progress];
  return values.map(readPercent).find((percent) => percent !== undefined);
}

const percentage = z
  .union([
    z.number(),
    z
      .string()
      .trim()
      .regex(/^\d+(\.\d+)?\s*%?$/)
      .transform(parseFloat),
  ])
  .pipe(z.number().min(0).max(100));

function readPercent(value: unknown): number | undefined {
  if (value === undefined) return undefined;
  const read = percentage.safeParse(value);
  if (!read.success) return undefined;
  return read.data < 1 ? read.data * 100 : read.data;
}

/** The fields that may contain the job, if the answer itself is not the job. */
const jobContainers = ['data', 'result', 'response', 'job', 'model', 'inference'] as const;

/** All `status` values of an answer: its own, those of objects that contain the job, those of list entries. */
export function statusValues(body: Body): { envelope: unknown; own: unknown[]; entries: unknown[] } {
  const outer = containersIn(body);
  const objects = [...outer, ...outer.flatMap(containersIn)];
  const lists = [body, ...objects].flatMap((one) => [one.data, one.urls, one.result]).filter(Array.isArray);
  const entries = lists.flatMap((list) => list.slice(0, maxResults) as unknown[]);
  return {
    envelope: body.status,
    own: objects.map(({ status }) => status),
    entries: entries.map((entry) => asObject(entry)?.status),
  };
}

function containersIn(body: Body): Body[] {
  return jobContainers
    .map((name) => asObject(body[name]))
    .filter((value) => value !== undefined && !Array.isArray(value)) as Body[];
}

/** The reason of a failed job: the job's own text, or else the envelope's. */
export function readJobReason(body: Body): string | undefined {
  const reasons = containersIn(body).map(readReason);
  return reasons.find((reason) => reason !== undefined) ?? readReason(body);
}

/**
 * The reason given by the upstream: `detail`, `message`, `error` or the older gateway's `fault`. URLs are removed,
 * since those in requests are signed.
 * @returns undefined if the answer has no reason
 */
export function readReason(body: Record<string, unknown> | null): string | undefined {
  if (!body) return undefined;
  const fault = asObject(body.fault);
  const candidates = [
    body.detail,
    body.message,
    body.reason,
    body.error,
    asObject(body.error)?.message,
    fault?.faultstring,
  ];
  for (const candidate of candidates) {
    const text = reasonText(candidate);
    if (text) return text;
  }
  return undefined;
}

/** Joins a validator's list of `{ loc, msg }`. */
function reasonText(value: unknown): string | undefined {
  const parts = Array.isArray(value) ? value.slice(0, maxReasonParts) : [value];
  const text = parts
    .map((part: unknown) => asObject(part)?.msg ?? part)
    .filter((part) => typeof part === 'string')
    .map(plainText)
    .filter((part) => part !== '')
    .join('; ');
  return text === '' ? undefined : text.slice(0, maxReasonLength);
}

/** Removes URLs. Word by word: a single expression over the whole text would backtrack. */
function plainText(text: string): string {
  const words = text.slice(0, 4 * maxReasonLength).split(/[\p{C}\s]+/u);
  return words
    .map((word) => (isAddress(word) ? '[address]' : word))
    .join(' ')
    .trim();
}

function isAddress(word: string): boolean {
  return word.includes('://') || /[?&][\w-]+=/.test(word);
}

const maxReasonParts = 20;
const maxReasonLength = 500;

function asObject(value: unknown): Record<string, unknown> | undefined {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
}
