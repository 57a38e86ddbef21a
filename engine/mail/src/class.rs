//! Message classes and what they say an item is.

use postlode_format::row::ItemKind;

/// What an item of this class is. Classes are compared without regard to case, part by part; an item without a class
/// is mail, as MAPI has it.
#[must_use]
pub fn kind_of(class: &str) -> ItemKind {
    let parts: Vec<String> = class.trim().split('.').take(3).map(str::to_ascii_lowercase).collect();
    let part = |n: usize| parts.get(n).map_or("", String::as_str);
    match (part(0), part(1)) {
        ("report", _) => ItemKind::Report,
        ("", _) | ("ipm", "note") => ItemKind::Mail,
        ("ipm", "appointment" | "schedule") => ItemKind::Appointment,
        ("ipm", "contact" | "distlist" | "abchperson") => ItemKind::Contact,
        ("ipm", "stickynote") => ItemKind::Note,
        ("ipm", "activity") => ItemKind::Journal,
        ("ipm", task) if task.starts_with("task") => ItemKind::Task,
        _ => ItemKind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_told_apart() {
        let cases = [
            ("IPM.Note", ItemKind::Mail),
            ("ipm.note.SMIME.MultipartSigned", ItemKind::Mail),
            ("", ItemKind::Mail),
            ("IPM.Noted", ItemKind::Other),
            ("REPORT.IPM.Note.NDR", ItemKind::Report),
            ("IPM.Schedule.Meeting.Request", ItemKind::Appointment),
            ("IPM.DistList", ItemKind::Contact),
            ("IPM.TaskRequest.Accept", ItemKind::Task),
            ("IPM.Microsoft.ScheduleData.FreeBusy", ItemKind::Other),
        ];
        for (class, kind) in cases {
            assert_eq!(kind_of(class), kind, "{class}");
        }
    }
}
