package v1beta1

// AsPathPrependPrefixes is what v0.0.27 has and v0.0.26 lacks; the script adds the field of Advertise that has it.
type AsPathPrependPrefixes struct {
	AsPathPrepend uint8
	Prefixes      []string
}
