import { useCallback } from 'react';
import { useMutation, type AnyVariables, type TypedDocumentNode } from 'urql';
import { readProblem } from '../api/errors';
import { useAnnounce } from './useAnnouncements';

/**
 * A mutation whose failure is announced.
 * @param failureText - what did not happen, for example "It was not changed."
 * @returns a function that returns the data, or null after a failure; and whether it is running
 */
export function useAnnouncedMutation<Data, Variables extends AnyVariables>(
  document: TypedDocumentNode<Data, Variables>,
  failureText: string,
): [run: (variables: Variables) => Promise<Data | null>, isRunning: boolean] {
  const [{ fetching }, send] = useMutation(document);
  const announce = useAnnounce();
  const run = useCallback(
    async (variables: Variables): Promise<Data | null> => {
      const { data, error } = await send(variables);
      if (!error) return data ?? null;
      const { message, advice, isTemporary } = readProblem(error);
      const next = isTemporary ? 'Try again in a moment.' : (advice ?? '');
      announce({ tone: 'bad', text: `${failureText} ${message} ${next}`.trim() });
      return null;
    },
    [send, announce, failureText],
  );
  return [run, fetching];
}
