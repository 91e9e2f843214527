import { useEffect, useRef, useState } from 'react';
import { readDroppedFiles, type DroppedFiles } from '../api/droppedFiles';

const hasFiles = ({ dataTransfer }: DragEvent): boolean => dataTransfer?.types.includes('Files') ?? false;

/** Ignores files that are dropped where {@link useFileDrop} is not used: browsers would leave the page and show the file. */
export function ignoreDroppedFiles(): void {
  const listen = (event: DragEvent): void => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    if (event.type === 'dragover') event.dataTransfer!.dropEffect = 'none';
  };
  addEventListener('dragover', listen);
  addEventListener('drop', listen);
}

/**
 * Receives files and folders that are dropped anywhere on the page.
 * @returns whether files are being dragged over the page
 */
export function useFileDrop(onDrop: (dropped: DroppedFiles) => void): boolean {
  const [isDraggedOver, setDraggedOver] = useState(false);
  const latest = useRef(onDrop);
  useEffect(() => {
    latest.current = onDrop;
  });
  useEffect(() => {
    // Entering a child comes before leaving its parent.
    let entered = 0;
    const enter = (event: DragEvent): void => {
      if (hasFiles(event) && ++entered === 1) setDraggedOver(true);
    };
    const leave = (event: DragEvent): void => {
      if (hasFiles(event) && --entered === 0) setDraggedOver(false);
    };
    const over = (event: DragEvent): void => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      event.dataTransfer!.dropEffect = 'copy';
    };
    const drop = (event: DragEvent): void => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      entered = 0;
      setDraggedOver(false);
      void readDroppedFiles(event.dataTransfer!).then(latest.current);
    };
    const listeners = { dragenter: enter, dragleave: leave, dragover: over, drop };
    const entries = Object.entries(listeners) as [keyof typeof listeners, (event: DragEvent) => void][];
    for (const [type, listener] of entries) addEventListener(type, listener);
    return () => {
      for (const [type, listener] of entries) removeEventListener(type, listener);
    };
  }, []);
  return isDraggedOver;
}
