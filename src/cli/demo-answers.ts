import { z } from 'zod';

/** An operation with the schema of its data. */
export interface DemoOperation<Data> {
  query: string;
  data: z.ZodType<Data>;
}

/** A permanent error. */
export class Refusal extends Error {
  /** @param field - the path of the invalid input, if any: `input.files[2].byteSize` */
  constructor(
    message: string,
    readonly field?: string,
  ) {
    super(message);
    this.name = 'Refusal';
  }
}

/** A temporary error: the request can be repeated. */
export class Unavailable extends Error {
  override readonly name = 'Unavailable';
}

const answerSchema = z.object({
  data: z.unknown(),
  errors: z
    .array(
      z.object({
        message: z.string(),
        extensions: z.object({ code: z.string(), field: z.string().optional() }),
      }),
    )
    .optional(),
});

/** Codes of temporary errors, for example of a server that is starting or stopping. */
const temporaryCodes: ReadonlySet<string> = new Set([
  'SERVICE_UNAVAILABLE',
  'TIMEOUT',
  'RATE_LIMITED',
  'SUBSCRIBER_TOO_SLOW',
  'INTERNAL_SERVER_ERROR',
]);

/**
 * Returns the data of a GraphQL response.
 * @throws Refusal or Unavailable, depending on the code of the first error; Refusal if the response is malformed
 */
export function readAnswer<Data>({ data: schema }: DemoOperation<Data>, answer: unknown): Data {
  const { data, errors } = parsed(answerSchema, answer);
  const [error] = errors ?? [];
  if (!error) return parsed(schema, data);
  const { code, field } = error.extensions;
  if (temporaryCodes.has(code)) throw new Unavailable(`${code}: ${error.message}`);
  throw new Refusal(error.message, field);
}

/** Validates a response. */
export function parsed<Data>(schema: z.ZodType<Data>, value: unknown): Data {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new Refusal(`Not a response of a Likeness server: ${z.prettifyError(result.error)}`);
}
