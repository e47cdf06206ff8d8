/** The form of a compute's params: fields made from its schema, or the same params as JSON. */

import { element, write } from "./dom.js";
import { makeField } from "./schema_fields.js";
import { FieldError } from "./simple_fields.js";

const PREFIX = /^`params` are not valid for [^:]+: /;
const PATH = /`\$(?<path>[^`]*)`/;
const MISSING = /missing required field `(?<name>[^`]+)`/;
const UNKNOWN = /unknown field `(?<name>[^`]+)`/;

export class ParamsForm {
  constructor(compute) {
    const { properties = {}, required = [] } = compute.params;
    const names = Object.entries(properties);
    this.fields = new Map(names.map(([name, schema]) => [name, makeField(name, schema, compute.params, { isRequired: required.includes(name) })]));
    const id = `json-of-${compute.name}`;
    this.text = element("textarea", { id, rows: 6, spellcheck: false, className: "mono" });
    this.textError = element("p", { className: "field-error", hidden: true });
    this.form = element("div", { className: "fields" }, ...[...this.fields.values()].map((field) => field.root));
    if (!names.length) this.form.append(element("p", { className: "muted" }, "This compute takes no params."));
    this.json = element("div", { className: "field", hidden: true }, element("label", { htmlFor: id }, "Params as JSON"), this.text, this.textError);
    this.toggle = element("button", { type: "button", className: "small", "aria-pressed": "false" }, "Edit as JSON");
    this.toggle.addEventListener("click", () => this.#switch());
    this.root = element("div", { className: "params" }, this.form, this.json);
  }

  get isJson() {
    return !this.json.hidden;
  }

  /** Return the params, or null after showing what is wrong with them. */
  read() {
    this.clear();
    try {
      return this.isJson ? this.#readText() : this.#readFields();
    } catch (error) {
      if (!(error instanceof FieldError)) throw error;
      error.field.say(error.message);
      error.field.focus();
      return null;
    }
  }

  /** Show params, as those of an older form. */
  fill(params) {
    this.text.value = JSON.stringify(params, null, 2);
    for (const [name, field] of this.fields) field.fill(params?.[name]);
  }

  /** Return the params without checking them; what cannot be read is left out. */
  draft() {
    const params = {};
    for (const [name, field] of this.fields) {
      try {
        const value = field.read();
        if (value !== undefined) params[name] = value;
      } catch (error) {
        if (!(error instanceof FieldError)) throw error;
      }
    }
    return params;
  }

  /** Show an error of the service at the field that its sentence names. Return whether it names one. */
  showError({ code, message }) {
    if (code !== "invalid_params" || this.isJson) return false;
    const steps = (PATH.exec(message)?.groups.path ?? "").match(/[^.[\]]+/g) ?? [];
    const named = (MISSING.exec(message) ?? UNKNOWN.exec(message))?.groups.name;
    const [first, ...rest] = named ? [...steps, named] : steps;
    const field = this.fields.get(first)?.at(rest);
    if (!field) return false;
    field.say(message.replace(PREFIX, "").replace(/ - at `[^`]*`/, ""));
    field.focus();
    return true;
  }

  clear() {
    this.textError.hidden = true;
    for (const field of this.fields.values()) field.clear();
  }

  #readFields() {
    const params = {};
    for (const [name, field] of this.fields) {
      const value = field.read();
      if (value !== undefined) params[name] = value;
    }
    return params;
  }

  #readText() {
    const where = { say: (sentence) => { write(this.textError, sentence); this.textError.hidden = !sentence; }, focus: () => this.text.focus() };
    let params;
    try {
      params = JSON.parse(this.text.value || "{}");
    } catch (error) {
      throw new FieldError(where, `The params are not valid JSON: ${error.message}.`);
    }
    if (params === null || typeof params !== "object" || Array.isArray(params)) throw new FieldError(where, "The params must be a JSON object.");
    return params;
  }

  /** Switch between the form and the JSON; the params that are given move along. */
  #switch() {
    if (this.isJson) {
      const params = this.read();
      if (params === null) return;
      this.fill(params);
    } else this.text.value = JSON.stringify(this.draft(), null, 2);
    this.json.hidden = this.isJson;
    this.form.hidden = this.isJson;
    write(this.toggle, this.isJson ? "Edit as a form" : "Edit as JSON");
    this.toggle.setAttribute("aria-pressed", String(this.isJson));
  }
}
