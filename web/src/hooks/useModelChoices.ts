import { useState } from 'react';
import { useClient, useQuery } from 'urql';
import { isolate } from '../api/formats';
import { ModelsDocument, type ModelsQuery } from '../graphql/operations';

/** Models to choose from, by name. */
export interface ModelChoices {
  /** The id and the name of each. */
  readonly models: readonly (readonly [id: string, name: string])[];
  /** Loads more of them; null if there are no more. */
  readonly loadMore: (() => void) | null;
}

const query = { first: 100, orderBy: 'NAME' } as const;

export function useModelChoices(): ModelChoices {
  const client = useClient();
  const [{ data }] = useQuery({ query: ModelsDocument, variables: query });
  const [later, setLater] = useState<readonly NonNullable<ModelsQuery['models']>[]>([]);
  const pages = data?.models ? [data.models, ...later] : [];
  // The first page is current, so that it may have models that were on the next one.
  const names = new Map(pages.flatMap(({ nodes }) => nodes).map(({ id, name }) => [id, isolate(name)]));
  const end = pages.at(-1)?.pageInfo;
  const load = async (after: string | null): Promise<void> => {
    const { models } = (await client.query(ModelsDocument, { ...query, after })).data ?? {};
    if (models) setLater((before) => [...before, models]);
  };
  return { models: [...names], loadMore: end?.hasNextPage ? () => void load(end.endCursor) : null };
}
