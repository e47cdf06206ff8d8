/** Form fields of one control each. A field reads its value, or `undefined` if none is given. */

import { element } from "./dom.js";

let last = 0;

/** Return an id that no other field has. */
export const newId = () => `field-${++last}`;

/** Thrown by `read` if the text of a field is no value; `field` shows the sentence. */
export class FieldError extends Error {
  constructor(field, sentence) {
    super(sentence);
    this.field = field;
  }
}

/** The frame of a field: a label, a control, a hint, and the sentence of an error. */
class Field {
  constructor({ name, node, isRequired, isNullable }, control) {
    this.name = name;
    this.node = node;
    this.isRequired = isRequired;
    this.isNullable = isNullable;
    this.control = control;
    const id = (control.id = newId());
    this.error = element("span", { className: "field-error", id: `${id}-error`, hidden: true });
    const hint = this.hint();
    const told = element("span", { className: "field-hint", id: `${id}-hint` }, hint);
    control.setAttribute("aria-describedby", `${hint ? told.id : ""} ${this.error.id}`.trim());
    this.root = element("div", { className: "field" }, element("label", { htmlFor: id }, name, mark(isRequired)), control, hint ? told : "", this.error);
    control.addEventListener("input", () => this.say(""));
  }

  hint() {
    return hintOf(this.node);
  }

  /** Show a sentence at the field; "" removes it. */
  say(sentence) {
    this.error.textContent = sentence;
    this.error.hidden = !sentence;
    if (sentence) this.control.setAttribute("aria-invalid", "true");
    else this.control.removeAttribute("aria-invalid");
  }

  /** Return the field at the rest of a path; a field without parts is the end of every path. */
  at(_path) {
    return this;
  }

  focus() {
    this.control.focus();
  }

  clear() {
    this.say("");
  }

  /** The value of a field that is left empty. */
  get empty() {
    if (!this.isRequired) return undefined;
    if (this.isNullable) return null;
    throw new FieldError(this, "Give a value.");
  }
}

export const mark = (isRequired) => (isRequired ? "" : element("span", { className: "optional" }, " optional"));

/** Say the bounds of a schema, after its description. A pattern is left to the service's sentence. */
export function hintOf({ description, minLength, maxLength, exclusiveMinimum, exclusiveMaximum, ...node }) {
  const above = exclusiveMinimum === undefined ? [node.minimum, "at least"] : [exclusiveMinimum, "more than"];
  const below = exclusiveMaximum === undefined ? [node.maximum, "at most"] : [exclusiveMaximum, "less than"];
  const length = boundsOf([minLength, "at least"], [maxLength, "at most"]);
  return [description, boundsOf(above, below), length && `${length} characters`].filter(Boolean).join(" ");
}

/** Say two bounds, of which each may be absent: "1 to 100", "at least 1", "more than 0, less than 1". */
function boundsOf([least, lower], [most, upper]) {
  if (least !== undefined && most !== undefined && lower === "at least" && upper === "at most") return `${least} to ${most}`;
  return [least !== undefined && `${lower} ${least}`, most !== undefined && `${upper} ${most}`].filter(Boolean).join(", ");
}

const placeholderOf = ({ default: value }) => (value === undefined || value === null || value === "" ? "" : `${value}`);

export class NumberField extends Field {
  constructor(about) {
    const isWhole = about.node.type === "integer";
    super(about, element("input", { type: "text", inputMode: isWhole ? "numeric" : "decimal", autocomplete: "off", placeholder: placeholderOf(about.node) }));
    this.isWhole = isWhole;
  }

  read() {
    const text = this.control.value.trim();
    if (!text) return this.empty;
    const value = Number(text);
    if (!Number.isFinite(value)) throw new FieldError(this, `“${text}” is not a number.`);
    if (this.isWhole && !Number.isInteger(value)) throw new FieldError(this, `“${text}” is not a whole number.`);
    if (this.isWhole && !Number.isSafeInteger(value)) throw new FieldError(this, "This number is too large for a form; edit the params as JSON.");
    return value;
  }

  fill(value) {
    this.control.value = value ?? "";
  }
}

const TYPES = { date: "date" };
const SHAPES = { "date-time": "2026-03-01T12:00:00Z", time: "12:00:00Z", duration: "PT1H30M", uuid: "00000000-0000-0000-0000-000000000000" };

export class TextField extends Field {
  constructor(about) {
    const { format, maxLength } = about.node;
    const placeholder = placeholderOf(about.node) || SHAPES[format] || "";
    super(about, element("input", { type: TYPES[format] ?? "text", placeholder, autocomplete: "off", spellcheck: false, maxLength }));
  }

  read() {
    return this.control.value === "" ? this.empty : this.control.value;
  }

  fill(value) {
    this.control.value = value ?? "";
  }
}

/** A choice among values, or none of them if the field may stay empty. */
export class ChoiceField extends Field {
  constructor(about) {
    const values = about.node.enum ?? [about.node.const];
    const { default: preset } = about.node;
    const isOpen = !values.includes(preset) || about.isNullable;
    const options = values.map((value, index) => element("option", { value: String(index) }, nameOf(value)));
    if (isOpen) options.unshift(element("option", { value: "" }, about.isRequired ? "Choose" : "not given"));
    super(about, element("select", {}, ...options));
    this.values = values;
    this.fill(preset);
  }

  read() {
    return this.control.value === "" ? this.empty : this.values[Number(this.control.value)];
  }

  fill(value) {
    const index = this.values.indexOf(value);
    this.control.value = index >= 0 ? String(index) : "";
    if (index < 0 && this.control.selectedIndex < 0) this.control.selectedIndex = 0;
  }
}

const nameOf = (value) => (value === true ? "yes" : value === false ? "no" : value === null ? "null" : String(value));

export class SwitchField extends Field {
  constructor(about) {
    super(about, element("input", { type: "checkbox", checked: about.node.default === true }));
    this.root.classList.add("switch");
  }

  read() {
    return this.control.checked;
  }

  fill(value) {
    this.control.checked = value ?? this.node.default === true;
  }
}

/** A value that no form can show, as JSON. */
export class JsonField extends Field {
  constructor(about) {
    const { default: preset } = about.node;
    const placeholder = preset === undefined || preset === null ? "" : JSON.stringify(preset);
    super(about, element("textarea", { rows: 2, spellcheck: false, placeholder }));
  }

  hint() {
    return [this.node.description, "as JSON"].filter(Boolean).join(" ");
  }

  read() {
    if (!this.control.value.trim()) return this.empty;
    try {
      return JSON.parse(this.control.value);
    } catch {
      throw new FieldError(this, "This is not valid JSON. Put text in double quotes.");
    }
  }

  fill(value) {
    this.control.value = value === undefined ? "" : JSON.stringify(value);
  }
}
