/** Converts rows to event payloads and back. A payload has some properties of its row, with times as JSON. */
export class PayloadCodec<Payload extends object> {
  /** @param times - those of the properties that are times */
  constructor(
    readonly properties: readonly (keyof Payload & string)[],
    private readonly times: readonly (keyof Payload & string)[],
  ) {}

  /** The payload of a row. */
  write(row: Payload): Payload {
    return Object.fromEntries(this.properties.map((name) => [name, row[name]])) as Payload;
  }

  /** Reads a stored payload, with times parsed. */
  read(payload: Readonly<Record<string, unknown>>): Payload {
    const parsed = this.times.map((name) => {
      const time = payload[name];
      return [name, typeof time === 'string' ? new Date(time) : null];
    });
    return { ...payload, ...Object.fromEntries(parsed) } as Payload;
  }
}

/** The payload that a codec converts. */
export type PayloadOf<Codec> = Codec extends PayloadCodec<infer Payload> ? Payload : never;

/** Creates the codec for some properties of a row: first those that JSON represents, then times. */
export function payloadCodec<Row>(): <Value extends keyof Row & string, Time extends keyof Row & string>(
  values: readonly Value[],
  times: readonly Time[],
) => PayloadCodec<Pick<Row, Value | Time>> {
  return (values, times) => new PayloadCodec([...values, ...times], times);
}
