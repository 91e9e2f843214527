import type { Registry } from 'prom-client';
import { callNames, callOutcomes, type CallOutcome, type UpstreamCall } from '../../upstream/provider';
import { counterOf, durationsOf, gaugeOf } from './instruments';

/** Counts calls of the avatar service. */
export interface UpstreamMetrics {
  /** A call has ended. */
  upstreamCall: (call: UpstreamCall) => void;
  /** A paid call was answered, or was not. */
  submission: (kind: string, outcome: CallOutcome) => void;
  /** Whether the key was refused when this process last learned of it. */
  isKeyRefused: () => boolean;
  /** The key is accepted, as other processes know. */
  keyAccepted: () => void;
}

/** Creates the counters. All outcomes begin at 0, so that the first refused key is an increase. */
export function createUpstreamMetrics(registry: Registry): UpstreamMetrics {
  const calls = counterOf(
    registry,
    {
      name: 'likeness_upstream_calls_total',
      help: 'Calls of the avatar service by call and outcome: OK, why it was refused, or NOT_SENT, LATER, UNKNOWN.',
      begin: callNames.flatMap((call) => callOutcomes.map((outcome) => ({ call, outcome }))),
    },
    ['call', 'outcome'],
  );
  const durations = durationsOf(
    registry,
    {
      name: 'likeness_upstream_call_duration_seconds',
      help: 'How long calls of the avatar service took, by call.',
    },
    ['call'],
  );
  const submissions = counterOf(
    registry,
    {
      name: 'likeness_submissions_total',
      help: 'Paid calls by kind of job and outcome: OK if accepted; UNKNOWN if they may have been paid.',
      begin: ['model', 'generation'].flatMap((kind) => callOutcomes.map((outcome) => ({ kind, outcome }))),
    },
    ['kind', 'outcome'],
  );
  let isKeyRefused = false;
  gaugeOf(registry, {
    name: 'likeness_upstream_key_refused',
    help: '1 if the avatar service refused the key when this process last learned of it, otherwise 0; checked again while it is 1.',
    read: () => [[{}, isKeyRefused ? 1 : 0]],
  });
  return {
    upstreamCall: ({ call, outcome, seconds }) => {
      calls({ call, outcome });
      durations({ call }, seconds);
      if (outcome === 'UPSTREAM_AUTH') isKeyRefused = true;
      else if (outcome === 'OK') isKeyRefused = false;
    },
    submission: (kind, outcome) => submissions({ kind, outcome }),
    isKeyRefused: () => isKeyRefused,
    keyAccepted: () => void (isKeyRefused = false),
  };
}
